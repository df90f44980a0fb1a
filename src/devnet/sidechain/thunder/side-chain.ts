import { assert } from '../../../lib/assert.ts'
import type { Txid } from '../../../lib/ids.ts'
import {
  criticalHash,
  type Header,
  type ProvenTransaction,
  type ThunderBlock,
} from '../../../lib/thunder/block.ts'
import type { Coin } from '../../../lib/thunder/json.ts'
import type { MainBlockInfo } from '../main-chain.ts'
import { type Archive, archive, type Tip } from './archive.ts'
import { isBetterTip } from './better-tip.ts'
import type { Bundle } from './bundle.ts'
import { type CoinChange, type Coins, coins } from './coins.ts'
import { judgeBody, signedOf } from './judge.ts'
import { type Mempool, mempool, txidOf } from './mempool.ts'
import { applyPeg, type Bundles, NO_BUNDLES } from './peg.ts'

/** The faults of the real node that can be switched. */
export type NodeFaults = {
  /**
   * Undoing a side block ends in a panic when the block before it applied events of the main chain
   * (an off-by-one in the published node).
   */
  readonly panicsOnUndo: boolean
  /** `get_transaction` knows a mined transaction only while its block is the tip. */
  readonly looksForDescendants: boolean
}

/** What came of trying to make a block the tip. */
export type ReorgOutcome = 'new tip' | 'not better' | 'panic'

/** A node's chain, coins and mempool: all of its state but the wallet. */
export type SideChain = {
  readonly archive: Archive
  readonly coins: Coins
  readonly mempool: Mempool
  /** Null before the first block. */
  readonly tip: () => string | null
  /** Whether a block can be connected, or is where the chain begins. */
  readonly hasBody: (hash: string) => boolean
  /** Blocks in the chain. */
  readonly count: () => number
  readonly bundles: () => Bundles
  readonly pendingBundle: () => Bundle | null
  /** Header and body must be in the archive, and the main block known to verify it. */
  readonly reorgTo: (candidate: Tip) => ReorgOutcome
  /** An unknown block changes nothing. */
  readonly invalidate: (hash: string) => 'done' | 'panic'
  readonly findTransaction: (
    id: Txid,
  ) => { readonly transaction: ProvenTransaction; readonly blockHash: string | null } | null
}

/** What a connected block did, to undo it by. */
type Connected = {
  readonly changes: readonly CoinChange[]
  readonly bundlesBefore: Bundles
  /** Whether it applied a deposit or a bundle's fate. */
  readonly appliedEvents: boolean
}

/** A tip to begin from in the middle of a chain whose earlier blocks nobody has. */
export type SideStart = {
  readonly tip: Tip
  readonly height: number
  readonly coins: readonly Coin[]
  /** Up to the main block of the tip; the first one is what the tip's header names. */
  readonly main: readonly [MainBlockInfo, ...MainBlockInfo[]]
}

/**
 * @param faults asked at every use, so that a node can be repaired while it runs
 * @param start of a chain that cannot be undone below it; null begins before the first block
 */
export function sideChain(faults: () => NodeFaults, start: SideStart | null = null): SideChain {
  const known = archive(start)
  const set = coins()
  const pool = mempool()
  const connected = new Map<string, Connected>()
  let tip = start?.tip.sideHash ?? null
  let bundles = NO_BUNDLES
  set.apply((start?.coins ?? []).map(coin => ({ kind: 'made', coin })))

  function connect({ header, body }: ThunderBlock): boolean {
    assert(header.prevSideHash === tip, 'a block is connected to the tip')
    const changes = judgeBody(set, header.merkleRoot, body)
    if (changes === null) return false
    const hash = criticalHash(header)
    set.apply(changes)
    const blocks = mainBlocksBetween(known, header)
    const height = known.heightOf(hash)
    const peg = applyPeg({ coins: set, bundles, height, blocks })
    connected.set(hash, {
      changes: [...changes, ...peg.changes],
      bundlesBefore: bundles,
      appliedEvents: blocks.some(({ events }) => events.length > 0),
    })
    bundles = peg.bundles
    tip = hash
    for (const transaction of body.transactions) pool.remove(txidOf(transaction))
    pool.evict(set.proves)
    return true
  }

  function disconnect(): void {
    const block = tip === null ? null : known.block(tip)
    const record = tip === null ? undefined : connected.get(tip)
    assert(tip !== null && block !== null && record !== undefined, 'a connected block is kept')
    set.undo(record.changes)
    bundles = record.bundlesBefore
    connected.delete(tip)
    tip = block.header.prevSideHash
    // Of two that spend one coin only the first finds its place again.
    for (const signed of signedOf(block.body).reverse()) pool.put(signed)
    pool.evict(set.proves)
  }

  /** The tip and what lies under it, down to but without the given block. */
  function* above(base: string | null): Iterable<string> {
    if (tip === null) return
    for (const hash of known.ancestors(tip)) {
      if (hash === base) return
      yield hash
    }
  }
  function panicsAbove(base: string | null): boolean {
    if (!faults().panicsOnUndo) return false
    return [...above(base)].some(hash => {
      const parent = known.find(hash)?.prevSideHash ?? null
      return parent !== null && connected.get(parent)?.appliedEvents === true
    })
  }
  function disconnectTo(base: string | null): void {
    while (tip !== base) disconnect()
  }

  function reorgTo(candidate: Tip): ReorgOutcome {
    const from = tip
    if (from !== null) {
      const mainHash = known.bestInclusion(from)
      assert(mainHash !== null, 'a connected block has a main block that carries it')
      if (!isBetterTip(known, { sideHash: from, mainHash }, candidate)) return 'not better'
    }
    const base = from === null ? null : known.lastCommon(from, candidate.sideHash)
    if (panicsAbove(base)) return 'panic'
    const old = blocksAbove(known, from, base)
    disconnectTo(base)
    for (const block of blocksAbove(known, candidate.sideHash, base)) {
      if (connect(block)) continue
      // Nothing has changed when a block on the way is not valid.
      disconnectTo(base)
      for (const each of old) connect(each)
      return 'not better'
    }
    return 'new tip'
  }

  return {
    archive: known,
    coins: set,
    mempool: pool,
    tip: () => tip,
    hasBody: hash => known.block(hash) !== null || hash === start?.tip.sideHash,
    count: () => (tip === null ? 0 : known.heightOf(tip) + 1),
    bundles: () => bundles,
    pendingBundle: () => bundles.pending,
    reorgTo,
    invalidate(hash) {
      const header = known.find(hash)
      if (header === null) return 'done'
      if ([...above(null)].includes(hash)) {
        if (panicsAbove(header.prevSideHash)) return 'panic'
        disconnectTo(header.prevSideHash)
      }
      known.forget(hash)
      return 'done'
    },
    findTransaction(id) {
      const mined = findMined(known, tip, id, faults().looksForDescendants)
      if (mined !== null) return mined
      const waiting = pool.find(id)
      return waiting === null ? null : { transaction: waiting, blockHash: null }
    },
  }
}

/** Main blocks whose events a side block applies: after those of its parent, oldest first. */
function mainBlocksBetween(known: Archive, header: Header): MainBlockInfo[] {
  const parent = header.prevSideHash === null ? null : known.find(header.prevSideHash)
  const blocks: MainBlockInfo[] = []
  for (const block of known.main.ancestors(header.prevMainHash)) {
    if (block.hash === parent?.prevMainHash) break
    blocks.push(block)
  }
  return blocks.reverse()
}

/** Oldest first. */
function blocksAbove(known: Archive, hash: string | null, base: string | null): ThunderBlock[] {
  const blocks: ThunderBlock[] = []
  if (hash === null) return blocks
  for (const each of known.ancestors(hash)) {
    if (each === base) break
    const block = known.block(each)
    assert(block !== null, 'a block to connect is in the archive')
    blocks.push(block)
  }
  return blocks.reverse()
}

function findMined(known: Archive, tip: string | null, id: Txid, reversed: boolean) {
  if (tip === null) return null
  for (const hash of known.inclusionsOf(id)) {
    const [ancestor, descendant] = reversed ? [tip, hash] : [hash, tip]
    if (known.lastCommon(ancestor, descendant) !== ancestor) continue
    const transaction = known.block(hash)?.body.transactions.find(each => txidOf(each) === id)
    if (transaction !== undefined) return { transaction, blockHash: hash }
  }
  return null
}
