import type { Kysely } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import type { BlockHash } from '../../../lib/ids.ts'
import type { Clock } from '../../../lib/time.ts'
import type { Outpoint } from '../../outpoint.ts'
import { highestTip, type Version } from '../../version-store.ts'
import { type AnchorEvidence, chainComplaint, type VersionEvidence } from './evidence.ts'
import type { WalletClient } from './wallet-client.ts'

/**
 * Asks whether the node's chain decides anything now. Remembers the highest tip that this process
 * has seen, besides the one that the pool wrote down.
 *
 * @param expected what the node calls the pool's network
 * @returns a question whose answer is why it decides nothing, or null
 */
export function chainWatch(
  { db, clock }: { readonly db: Kysely<Database>; readonly clock: Clock },
  wallet: WalletClient,
  expected: string,
) {
  let seen: { readonly height: number; readonly hash: BlockHash } | null = null
  return async (): Promise<string | null> => {
    const info = await wallet.chain()
    const stored = await highestTip(db)
    const highest = stored && stored.height > (seen?.height ?? -1) ? stored : seen
    const confirmations = highest ? await wallet.confirmationsOf(highest.hash) : null
    const fate = confirmations === null ? 'gone' : confirmations < 0 ? 'forked' : 'on chain'
    const complaint = chainComplaint(
      {
        chain: info.chain,
        blocks: info.blocks,
        headers: info.headers,
        isSyncing: info.initialblockdownload,
        tipAgeMs: clock.now() - info.time * 1000,
        highest: highest && { height: highest.height, fate },
      },
      expected,
    )
    if (info.chain === expected && info.blocks > (seen?.height ?? -1)) {
      seen = { height: info.blocks, hash: info.bestblockhash }
    }
    return complaint
  }
}

/** Where each version stands on the best chain. */
export function versionEvidence(
  wallet: WalletClient,
  versions: readonly Version[],
): Promise<VersionEvidence[]> {
  return Promise.all(
    versions.map(async ({ version, txid, fee, raw }) => ({
      ...{ version, txid, fee },
      isSigned: raw !== null,
      confirmations: await wallet.depthOf(txid),
    })),
  )
}

/**
 * Who spends the anchor, on the chain or else in the mempool. A child's anchor is its parent's
 * change: where another version of the parent is on the chain instead, it can never be, which is
 * as if that version had spent it.
 *
 * @param siblings the other versions of the batch that makes the anchor; none but for a child
 */
export async function anchorEvidence(
  wallet: WalletClient,
  anchor: Outpoint,
  siblings: readonly VersionEvidence[],
): Promise<AnchorEvidence> {
  const sibling = siblings.find(({ confirmations }) => confirmations > 0)
  if (sibling) return { kind: 'spent', by: sibling.txid, confirmations: sibling.confirmations }
  if (await wallet.isInMempoolOrChain(anchor)) return { kind: 'unspent', inMempool: null }
  const inMempool = await wallet.mempoolSpender(anchor)
  if (inMempool !== null || (await wallet.isUnspent(anchor))) return { kind: 'unspent', inMempool }
  const by = await wallet.spenderOf(anchor)
  if (by !== null) return { kind: 'spent', by, confirmations: await wallet.depthOf(by) }
  const isFunded = (await wallet.depthOf(anchor.txid)) > 0
  return isFunded ? { kind: 'spent by something' } : { kind: 'not there' }
}
