import type { Kysely } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import type { BlockHash, Txid } from '../../../lib/ids.ts'
import { type AnchorEvidence, chainComplaint, type VersionEvidence } from './evidence.ts'
import { highestTip, type Version } from './version-store.ts'
import type { Outpoint, WalletClient } from './wallet-client.ts'

/**
 * Asks whether the node's chain decides anything now. Remembers the highest tip that this process
 * has seen, besides the one that the pool wrote down.
 *
 * @param expected what the node calls the pool's network
 * @returns a question whose answer is why it decides nothing, or null
 */
export function chainWatch(db: Kysely<Database>, wallet: WalletClient, expected: string) {
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
    versions.map(async ({ version, txid, fee }) => ({
      version,
      txid,
      fee,
      confirmations: await depthOf(wallet, txid),
    })),
  )
}

/** Who spends the anchor, on the chain or else in the mempool. */
export async function anchorEvidence(
  wallet: WalletClient,
  anchor: Outpoint,
): Promise<AnchorEvidence> {
  if (await wallet.isUnspent(anchor)) {
    return { kind: 'unspent', inMempool: await wallet.mempoolSpender(anchor) }
  }
  const by = await wallet.spenderOf(anchor)
  if (by === null) return { kind: 'spent by something' }
  return { kind: 'spent', by, confirmations: await depthOf(wallet, by) }
}

/** Depth on the best chain; 0 where no block of it has the transaction. */
async function depthOf(wallet: WalletClient, id: Txid): Promise<number> {
  const block = (await wallet.transaction(id))?.block ?? null
  const confirmations = block === null ? null : await wallet.confirmationsOf(block)
  return confirmations !== null && confirmations > 0 ? confirmations : 0
}
