import { z } from 'zod'
import type { DrivechainOpcode } from '../../../lib/bitcoin/drivechain.ts'
import { fromHex } from '../../../lib/bytes.ts'
import type { Log } from '../../../lib/log.ts'
import { callNode, type NodeRpc } from '../../node-rpc.ts'
import { type EnforcerBlocks, enforcerBlocks, type KnownBlock } from './blocks.ts'
import { readMainBlock } from './main-block.ts'
import { FIRST_STATE, type PegState } from './peg-state.ts'

/** Follows a real node's chain, and throws out of it what BIP 300 and 301 forbid. */
export type NodeFollower = {
  readonly blocks: EnforcerBlocks
  /** The state after the tip, as of the last look. */
  readonly tip: () => PegState
  /** Looks at the node now. Whoever asks something is answered from after such a look. */
  readonly sync: () => Promise<PegState>
  /** Called for each block that joins the chain, oldest first. Returns what ends it. */
  readonly onBlock: (listener: (block: KnownBlock) => void) => () => void
  /** The reasons of blocks that were thrown out, by hash. */
  readonly rejections: ReadonlyMap<string, string>
  readonly call: (method: string, ...params: readonly unknown[]) => Promise<unknown>
}

const text = z.string()

export function followNode(options: {
  readonly rpc: NodeRpc
  readonly opcode: DrivechainOpcode
  readonly log: Log
}): NodeFollower {
  const { rpc, opcode, log } = options
  const blocks = enforcerBlocks(opcode)
  const listeners = new Set<(block: KnownBlock) => void>()
  const rejections = new Map<string, string>()
  let tip = FIRST_STATE
  let last: Promise<unknown> = Promise.resolve()

  const call: NodeFollower['call'] = (method, ...params) => callNode(rpc, method, ...params)

  /** Ends at a tip whose blocks are all accepted: each rejection gives the node another tip. */
  async function follow(): Promise<PegState> {
    while (true) {
      const best = text.parse(await call('getbestblockhash'))
      if (best === tip.tip) return tip
      const isAccepted = await judgeUpTo(best)
      const state = isAccepted ? blocks.stateAfter(best) : null
      if (state === null) continue
      const joined = joining(blocks, tip.tip, best)
      tip = state
      for (const block of joined) for (const listener of listeners) listener(block)
    }
  }

  async function judgeUpTo(best: string): Promise<boolean> {
    const unknown: Uint8Array[] = []
    let at = best
    while (blocks.stateAfter(at) === null) {
      const raw = fromHex(text.parse(await call('getblock', at, 0)))
      unknown.push(raw)
      at = readMainBlock(raw, 0).previous
    }
    let height = blocks.stateAfter(at)?.height ?? FIRST_STATE.height
    for (const raw of unknown.reverse()) {
      height += 1
      const block = readMainBlock(raw, height)
      const verdict = blocks.add(block)
      if (verdict.kind === 'accepted') continue
      const { hash } = block
      rejections.set(hash, verdict.reason)
      log.warn({ hash, reason: verdict.reason }, 'simulated enforcer: block thrown out')
      await call('invalidateblock', hash)
      return false
    }
    return true
  }

  return {
    blocks,
    tip: () => tip,
    rejections,
    call,
    onBlock(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    sync() {
      // One look at a time: two would judge the same blocks.
      const next = last.then(follow)
      last = next.catch(() => {})
      return next
    },
  }
}

/** Blocks of the new chain that the old one did not have, oldest first. */
function joining(blocks: EnforcerBlocks, old: string, best: string): KnownBlock[] {
  const joined: KnownBlock[] = []
  let [mine, other] = [blocks.find(old), blocks.find(best)]
  while (other !== null && other.hash !== mine?.hash) {
    if (mine !== null && mine.height >= other.height) {
      mine = blocks.find(mine.previous)
      continue
    }
    joined.unshift(other)
    other = blocks.find(other.previous)
  }
  return joined
}
