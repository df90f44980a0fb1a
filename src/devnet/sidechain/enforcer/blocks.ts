import type { DrivechainOpcode } from '../../../lib/bitcoin/drivechain.ts'
import type { BlockHash } from '../../../lib/ids.ts'
import type { MainBlockInfo } from '../main-chain.ts'
import { type BlockVerdict, judgeBlock } from './judge-block.ts'
import type { MainBlock } from './main-block.ts'
import { type BlockEffects, FIRST_STATE, type PegState } from './peg-state.ts'

/** A block that the enforcer accepted, on whatever branch. */
export type KnownBlock = {
  readonly hash: BlockHash
  readonly previous: BlockHash
  readonly height: number
  readonly time: number
  readonly state: PegState
  readonly effects: BlockEffects
}

/** What an enforcer knows of the main chain. Blocks come parents first; rejected ones leave no trace. */
export type EnforcerBlocks = {
  readonly find: (hash: string) => KnownBlock | null
  /** A block that is known already is accepted again without being judged. */
  readonly add: (block: MainBlock) => BlockVerdict
  /** The state after a block; that before all blocks for the genesis block's parent. */
  readonly stateAfter: (hash: string) => PegState | null
  /** The block and so many before it, as far as they are known; empty for an unknown one. */
  readonly withAncestors: (hash: string, ancestors: number) => readonly KnownBlock[]
}

/** @param first the state to begin from, where a test begins in the middle of a chain */
export function enforcerBlocks(
  opcode: DrivechainOpcode,
  first: PegState = FIRST_STATE,
): EnforcerBlocks {
  const blocks = new Map<string, KnownBlock>()
  const find = (hash: string) => blocks.get(hash) ?? null
  const stateAfter = (hash: string) => (hash === first.tip ? first : (find(hash)?.state ?? null))
  return {
    find,
    stateAfter,
    add(block) {
      const known = find(block.hash)
      if (known !== null) return { kind: 'accepted', state: known.state, effects: known.effects }
      const before = stateAfter(block.previous)
      if (before === null) throw new Error('a block is judged after its parent')
      const verdict = judgeBlock(before, block, opcode)
      if (verdict.kind === 'accepted') {
        const { hash, previous, height, time } = block
        const { state, effects } = verdict
        blocks.set(hash, { hash, previous, height, time, state, effects })
      }
      return verdict
    },
    withAncestors(hash, ancestors) {
      const found: KnownBlock[] = []
      for (let at = find(hash); at !== null && found.length <= ancestors; at = find(at.previous))
        found.push(at)
      return found
    },
  }
}

/** What a sidechain's node is told of a block. */
export function infoFor(slot: number, block: KnownBlock): MainBlockInfo {
  const { hash, previous, height, time, effects } = block
  return {
    hash,
    previous,
    height,
    time,
    commitment: effects.commitments.get(slot) ?? null,
    events: effects.events.filter(each => each.slot === slot).map(({ event }) => event),
  }
}
