import { assert } from '../../../lib/assert.ts'
import type { Txid } from '../../../lib/ids.ts'
import { criticalHash, type Header, type ThunderBlock } from '../../../lib/thunder/block.ts'
import { type MainBlockInfo, type MainChain, mainChain } from '../main-chain.ts'
import { txidOf } from './mempool.ts'
import type { SideStart } from './side-chain.ts'

/** Whether a main block carries a side block, as the node found when it learned of both. */
export type BmmResult = 'verified' | 'failed'

/** A side block with the main block that makes it one. */
export type Tip = { readonly sideHash: string; readonly mainHash: string }

/** All side blocks that the node has heard of, on every branch, and what it knows of main ones. */
export type Archive = {
  readonly main: MainChain
  readonly addMain: (block: MainBlockInfo) => void
  readonly find: (hash: string) => Header | null
  readonly block: (hash: string) => ThunderBlock | null
  readonly heightOf: (hash: string) => number
  /** From the block itself back to the first. */
  readonly ancestors: (hash: string) => Iterable<string>
  /** The parent must be known. */
  readonly addHeader: (header: Header) => void
  readonly addBlock: (block: ThunderBlock) => void
  /** Blocks that contain a transaction, connected or not. */
  readonly inclusionsOf: (id: Txid) => readonly string[]
  /** Null where the node never compared the two. */
  readonly bmmResult: (sideHash: string, mainHash: string) => BmmResult | null
  readonly inclusions: (sideHash: string) => readonly string[]
  /** The verifying main block with the most work behind it. */
  readonly bestInclusion: (sideHash: string) => string | null
  /** Forgets a block and all that build on it. Results of comparing them stay. */
  readonly forget: (hash: string) => void
  readonly lastCommon: (a: string, b: string) => string | null
}

/**
 * The node's archive. A side block counts in a main block when that one's M7 names it, is the
 * direct child of the block that the side block names, and has behind it a main block that carries
 * the side block's parent. The node compares the two once, when it learns of the later of them: so
 * a result can be true for a branch that was given up since.
 *
 * Source: thunder-rust, lib/archive.rs, put_header and put_main_block_info.
 */
export function archive(start: SideStart | null): Archive {
  const main = mainChain()
  const headers = new Map<string, Header>()
  const heights = new Map<string, number>()
  const bodies = new Map<string, ThunderBlock>()
  const results = new Map<string, Map<string, BmmResult>>()
  if (start !== null) {
    const { sideHash, mainHash } = start.tip
    const prevMainHash = start.main[0].hash
    for (const block of start.main) main.add(block)
    headers.set(sideHash, { merkleRoot: '', prevSideHash: null, prevMainHash, roots: [] })
    heights.set(sideHash, start.height)
    results.set(sideHash, new Map([[mainHash, 'verified']]))
  }
  const containing = new Map<Txid, string[]>()

  const find = (hash: string) => headers.get(hash) ?? null
  function heightOf(hash: string): number {
    const height = heights.get(hash)
    assert(height !== undefined, 'the height of a known block is known')
    return height
  }
  function* ancestors(hash: string): Iterable<string> {
    for (let at: string | null = hash; at !== null; ) {
      const header = find(at)
      if (header === null) return
      yield at
      at = header.prevSideHash
    }
  }
  const parentOf = (hash: string) => find(hash)?.prevSideHash ?? null
  function verified(sideHash: string): string[] {
    const all = [...(results.get(sideHash) ?? [])]
    return all.filter(([, result]) => result === 'verified').map(([mainHash]) => mainHash)
  }
  function judge(sideHash: string, header: Header, block: MainBlockInfo): void {
    const { prevSideHash, prevMainHash } = header
    const isNamed = block.commitment === sideHash && block.previous === prevMainHash
    const hasParent =
      prevSideHash === null ||
      verified(prevSideHash).some(mainHash => main.isDescendant(mainHash, block.hash))
    const ofBlock = results.get(sideHash) ?? new Map<string, BmmResult>()
    results.set(sideHash, ofBlock.set(block.hash, isNamed && hasParent ? 'verified' : 'failed'))
  }

  function addHeader(header: Header): void {
    const hash = criticalHash(header)
    const { prevSideHash, prevMainHash } = header
    assert(prevSideHash === null || headers.has(prevSideHash), 'a side block has its parent')
    headers.set(hash, header)
    heights.set(hash, prevSideHash === null ? 0 : heightOf(prevSideHash) + 1)
    for (const block of main.childrenOf(prevMainHash)) judge(hash, header, block)
  }
  function forget(hash: string): void {
    const children = [...headers].filter(([, header]) => header.prevSideHash === hash)
    headers.delete(hash)
    heights.delete(hash)
    bodies.delete(hash)
    for (const [child] of children) forget(child)
  }
  return {
    main,
    addMain(block) {
      if (main.find(block.hash)) return
      main.add(block)
      const header = block.commitment === null ? null : find(block.commitment)
      if (block.commitment !== null && header !== null) judge(block.commitment, header, block)
    },
    find,
    block: hash => bodies.get(hash) ?? null,
    heightOf,
    ancestors,
    addHeader,
    addBlock(block) {
      const hash = criticalHash(block.header)
      if (bodies.has(hash)) return
      bodies.set(hash, block)
      for (const transaction of block.body.transactions) {
        const id = txidOf(transaction)
        containing.set(id, [...(containing.get(id) ?? []), hash])
      }
    },
    inclusionsOf: id => (containing.get(id) ?? []).filter(hash => bodies.has(hash)),
    bmmResult: (sideHash, mainHash) => results.get(sideHash)?.get(mainHash) ?? null,
    inclusions: verified,
    bestInclusion(sideHash) {
      // Every block of regtest takes the same work, so the highest has the most behind it.
      const byWork = verified(sideHash).sort((a, b) => main.get(b).height - main.get(a).height)
      return byWork[0] ?? null
    },
    forget,
    lastCommon(a, b) {
      let [one, other]: (string | null)[] = [a, b]
      while (one !== other && one !== undefined && other !== undefined) {
        if (one === null || other === null) return null
        if (heightOf(one) >= heightOf(other)) one = parentOf(one)
        else other = parentOf(other)
      }
      return one ?? null
    },
  }
}
