import type { Kysely } from 'kysely'
import { NETWORK_FACTS, type Network } from '../lib/bitcoin/network.ts'
import type { Database } from '../lib/db/schema.ts'
import type { BlockHash, UnixMs } from '../lib/ids.ts'
import type { BitcoindClient, BlockchainInfo } from '../lib/nodes/bitcoind-client.ts'
import type { NetworkTerms } from './epoch.ts'
import { readTemplate } from './template.ts'
import { type ChainPlace, hasTip, lockChain, readTop, replaceTips, type Tip } from './tip-store.ts'

/** The part of a node that the chain is followed by. */
export type ChainNode = Pick<
  BitcoindClient,
  'getBlockchainInfo' | 'getBlockHeader' | 'getBlockHash' | 'getBlock'
>

/** What following the chain led to. */
export type FollowOutcome =
  | { readonly kind: 'at tip' }
  /** Something changed under way, or there is more to do: the next call goes on from here. */
  | { readonly kind: 'go on' }
  /** The node cannot be believed now, and nothing was changed. */
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * Blocks below the tip at which the very first look begins. A pool's first epoch opens after that
 * look, so an earlier block can only be one that was mined before anything was committed.
 */
const FIRST_LOOK_BLOCKS = 12
/** Blocks taken in one step; after a long pause the rest follows in further steps. */
export const BLOCKS_PER_STEP = 500
/** A fork deeper than this is not followed: the node is on another chain than it was. */
const FORK_BLOCKS_MAX = 1000

/**
 * Brings `tips` one step nearer to the node's best chain, from the fork on where it reorganised.
 * A node that syncs, or whose chain is shorter than the one already seen, is not believed, unless
 * it knows the old tip and says itself that another chain replaced it: after a crash a node may
 * have forgotten blocks, and nothing follows from that.
 *
 * @throws Error when the node follows another chain altogether
 */
export async function followChain(
  db: Kysely<Database>,
  node: ChainNode,
  { network, now }: { readonly network: Network; readonly now: UnixMs },
): Promise<FollowOutcome> {
  const info = await node.getBlockchainInfo()
  const top = await readTop(db)
  if (top?.hash === info.bestBlock) return { kind: 'at tip' }
  const doubt = await reasonToWait(node, info, top, network)
  if (doubt !== null) return { kind: 'waits', reason: doubt }

  const height = Math.min(info.blocks, (top?.height ?? info.blocks) + BLOCKS_PER_STEP)
  const hash = height === info.blocks ? info.bestBlock : await node.getBlockHash(height)
  const blocks = hash && (await walkBack(db, node, hash, top))
  // The chain moved while we walked.
  if (!blocks) return { kind: 'go on' }
  const isWritten = await db.transaction().execute(async transaction => {
    await lockChain(transaction)
    if ((await readTop(transaction))?.hash !== top?.hash) return false
    await replaceTips(transaction, blocks, now)
    return true
  })
  return { kind: isWritten && height === info.blocks ? 'at tip' : 'go on' }
}

async function reasonToWait(
  node: ChainNode,
  info: BlockchainInfo,
  top: ChainPlace | null,
  network: Network,
): Promise<string | null> {
  if (info.chain !== NETWORK_FACTS[network].chain) return `the node is on ${info.chain}`
  if (info.isInitialBlockDownload) return 'the node is syncing'
  if (top === null || info.blocks >= top.height) return null
  const old = await node.getBlockHeader(top.hash)
  const isReplaced = old !== null && old.confirmations < 0
  return isReplaced ? null : 'the node has fewer blocks than before'
}

/**
 * The blocks from a hash down to the fork with what was seen, lowest first.
 *
 * @returns null when the node lost one of them meanwhile
 */
async function walkBack(
  db: Kysely<Database>,
  node: ChainNode,
  from: BlockHash,
  top: ChainPlace | null,
): Promise<readonly Tip[] | null> {
  const blocks: Tip[] = []
  const most = top === null ? FIRST_LOOK_BLOCKS : BLOCKS_PER_STEP + FORK_BLOCKS_MAX
  let hash: BlockHash | null = from
  while (hash !== null && blocks.length < most) {
    const block = await node.getBlockHeader(hash)
    if (block === null) return null
    if (top !== null && (await hasTip(db, block))) return blocks.reverse()
    blocks.push(block)
    hash = block.previousBlock
  }
  if (top !== null) throw new Error('the node follows another chain than the one seen before')
  return blocks.reverse()
}

/**
 * What the next block must meet and brings, as the node's template says.
 *
 * @returns null when it gives none that we could mine on
 */
export async function readNetworkTerms(
  node: Pick<BitcoindClient, 'getBlockTemplate'>,
  network: Network,
): Promise<NetworkTerms | null> {
  const outcome = readTemplate(await node.getBlockTemplate(), network)
  if (outcome.kind === 'refused') return null
  return { blockTarget: outcome.template.target, subsidy: outcome.template.subsidy }
}
