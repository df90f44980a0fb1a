import { assert } from '../../lib/assert.ts'
import type { BlockHash, Txid } from '../../lib/ids.ts'
import type { Sats } from '../../lib/money.ts'

/** What a main block did to one sidechain, in the order in which it takes effect. */
export type PegEvent =
  | {
      readonly kind: 'deposit'
      /** Counts the slot's treasury coins, from 0. */
      readonly sequence: bigint
      readonly txid: Txid
      readonly vout: number
      /** The bytes of the push after OP_RETURN: meant to be an address's text, and unchecked. */
      readonly address: Uint8Array
      /** What the treasury grew by. */
      readonly value: Sats
    }
  | { readonly kind: 'bundle submitted' | 'bundle failed'; readonly m6id: Txid }
  | {
      readonly kind: 'bundle succeeded'
      readonly m6id: Txid
      readonly sequence: bigint
      /** The M6 as it stands in the block. */
      readonly transaction: Uint8Array
    }

/** A main block as a sidechain's node learns of it from the enforcer. */
export type MainBlockInfo = {
  readonly hash: BlockHash
  readonly previous: BlockHash
  readonly height: number
  /** Seconds since 1970. */
  readonly time: number
  /** The H* that the block's M7 names for the sidechain, 64 hex digits in the order of its bytes. */
  readonly commitment: string | null
  readonly events: readonly PegEvent[]
}

/** Main blocks that somebody knows of, on every branch. */
export type MainChain = {
  readonly find: (hash: string) => MainBlockInfo | null
  /** As `find`, where only a bug could ask for another. */
  readonly get: (hash: string) => MainBlockInfo
  /** The parent must be known, but for the first block ever added. */
  readonly add: (block: MainBlockInfo) => void
  readonly childrenOf: (hash: string) => readonly MainBlockInfo[]
  /** From the block itself back to the first one known. */
  readonly ancestors: (hash: string) => Iterable<MainBlockInfo>
  /** Whether the second block builds on the first; a block builds on itself. */
  readonly isDescendant: (ancestor: string, descendant: string) => boolean
  readonly lastCommon: (a: string, b: string) => MainBlockInfo
}

/** Before the genesis block: the `previous` of the first block there is. */
export const NO_BLOCK = '0'.repeat(64)

export function mainChain(): MainChain {
  const blocks = new Map<string, MainBlockInfo>()
  const children = new Map<string, MainBlockInfo[]>()

  const find = (hash: string) => blocks.get(hash) ?? null
  function get(hash: string): MainBlockInfo {
    const block = find(hash)
    assert(block !== null, 'a main block that is asked for is known')
    return block
  }
  function* ancestors(hash: string): Iterable<MainBlockInfo> {
    for (let block = find(hash); block !== null; block = find(block.previous)) yield block
  }
  function ancestorAt(hash: string, height: number): MainBlockInfo | null {
    for (const block of ancestors(hash)) if (block.height <= height) return block
    return null
  }
  return {
    find,
    get,
    ancestors,
    add(block) {
      if (blocks.has(block.hash)) return
      assert(blocks.size === 0 || blocks.has(block.previous), 'a main block comes after its parent')
      blocks.set(block.hash, block)
      children.set(block.previous, [...(children.get(block.previous) ?? []), block])
    },
    childrenOf: hash => children.get(hash) ?? [],
    isDescendant: (ancestor, descendant) =>
      ancestorAt(descendant, get(ancestor).height)?.hash === ancestor,
    lastCommon(a, b) {
      let [one, other] = [get(a), get(b)]
      while (one.hash !== other.hash) {
        if (one.height >= other.height) one = get(one.previous)
        else other = get(other.previous)
      }
      return one
    },
  }
}
