import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { BlockHash, Txid } from '../lib/ids.ts'
import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import { type AcceptedBid, recordAcceptances, unreadBlocks } from './bmm-store.ts'
import { readAcceptances } from './read-block.ts'
import { dropSideBlocks, markConnected, sideBlocksToConnect } from './side-block-store.ts'
import type { SideNode } from './side-node.ts'

/** What the jobs ask of the main node. */
export type BidNode = {
  /** The raw block, or null when the node has no such block. */
  readonly getBlock: (hash: BlockHash) => Promise<Uint8Array | null>
  /** What a transaction of a block paid; null when the node cannot tell. */
  readonly getFee: (txid: Txid, block: BlockHash) => Promise<Sats | null>
}

export type BmmDeps = {
  readonly db: Kysely<Database>
  readonly node: BidNode
  /** Null where we have no node of a sidechain. */
  readonly sideNode: SideNode | null
  readonly tipHeight: () => Promise<number | null>
  readonly clock: Clock
  readonly log: Log
}

/** Wake them when a block of ours is booked (channel `blocks`). */
export const READ_BIDS = 'read-bids'
export const CONNECT_SIDE_BLOCKS = 'connect-side-blocks'

const EVERY_MS = 5_000
const BLOCKS_A_RUN_MAX = 100
/** No block of ours so far below the tip becomes part of the chain again. */
const SIDE_BLOCK_DEPTH = 100

/**
 * Reads what our blocks accepted from the blocks themselves, and tells our node of a sidechain
 * which of its blocks were accepted. Each step ends in the database: a crash repeats it, and a
 * repeat changes nothing.
 */
export function bmmJobs(deps: BmmDeps): readonly Job[] {
  const { sideNode } = deps
  const jobs: Job[] = [{ name: READ_BIDS, everyMs: EVERY_MS, run: () => readBids(deps) }]
  if (sideNode)
    jobs.push({
      name: CONNECT_SIDE_BLOCKS,
      everyMs: EVERY_MS,
      run: async () => {
        await readBids(deps)
        await connectAll(deps, sideNode)
      },
    })
  return jobs
}

async function readBids({ db, node, clock, log }: BmmDeps): Promise<void> {
  for (const block of await unreadBlocks(db, BLOCKS_A_RUN_MAX)) {
    const raw = await node.getBlock(block)
    // A node that took the block has it; another one may have pruned it, and then nobody can tell.
    if (raw === null) log.warn({ block }, 'the node has a block of ours no more: no bids read')
    const bids: AcceptedBid[] = []
    for (const each of raw === null ? [] : readAcceptances(raw)) {
      const fee = each.request === null ? sats(0n) : await node.getFee(each.request, block)
      if (fee === null) log.warn({ block, txid: each.request }, 'the fee of a bid is not known')
      bids.push({ ...each, fee: fee ?? sats(0n) })
    }
    await recordAcceptances(db, block, bids, clock.now())
    for (const { slot, sideBlock, request, fee } of bids)
      log.info({ block, slot, sideBlock, request, feeSats: fee.toString() }, 'side block accepted')
  }
}

async function connectAll(deps: BmmDeps, sideNode: SideNode): Promise<void> {
  const { db, clock, log } = deps
  const fromHeight = ((await deps.tipHeight()) ?? 0) - SIDE_BLOCK_DEPTH
  const waiting = await sideBlocksToConnect(db, { fromHeight, limit: BLOCKS_A_RUN_MAX })
  for (const { sideBlock, body, mainBlock } of waiting) {
    if (!(await sideNode.connect({ sideBlock, body }, mainBlock))) continue
    await markConnected(db, sideBlock, clock.now())
    log.info({ sideBlock, mainBlock }, 'side block of our own connected')
  }
  await dropSideBlocks(db, fromHeight)
}
