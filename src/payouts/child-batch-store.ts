import type { Kysely } from 'kysely'
import type { CoinManifest } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId } from '../lib/ids.ts'
import { ceilDiv, type Sats } from '../lib/money.ts'
import { type OwnPlanOutcome, planChild } from './own-batch.ts'
import type { OwnBatchParts } from './own-batch-store.ts'
import { coinManifestOf } from './payout-store.ts'
import { decideBump } from './rails/l1/bump.ts'
import { effectOf, leftToUs } from './rails/l1/coins.ts'
import { addressScript } from './rails/l1/destination.ts'
import { feeRateNow } from './rails/l1/fee-rate.ts'
import { signedWeight } from './rails/l1/transaction.ts'
import type { WalletClient } from './rails/l1/wallet-client.ts'
import { blocksSince, type Version, versionsOf } from './version-store.ts'

/** Batches that one run looks at, the oldest first; the others come in a later one. */
const PARENTS_A_RUN_MAX = 100

/** A batch that has left and is in no block, and the version of it that the mempool has. */
type InMempool = {
  readonly manifest: CoinManifest
  readonly client: WalletClient
  readonly version: Version
  readonly raw: Uint8Array
  readonly isNewest: boolean
}

/**
 * Plans a child of a batch: it spends a coin that the version in the mempool leaves us, so that
 * both together pay the rate of now. The change comes first, since whoever signs for the batch
 * signs for it too; else what a transfer brings.
 */
export async function planChildOf(parts: OwnBatchParts, parent: BatchId): Promise<OwnPlanOutcome> {
  if (!(await candidates(parts.db)).includes(parent))
    return nothing('it is not on its way, or has a child')
  const found = await inMempool(parts, parent)
  if (found === null) return nothing('no version of it is in the mempool')
  const { manifest, client, version, raw } = found
  const rate = await currentRate(parts, client)
  if (rate > parts.feeRateMax) return nothing(`mempools take nothing below ${rate} sat/kvB`)
  const weight = signedWeight(raw)
  let outcome: OwnPlanOutcome = nothing('it leaves us no coin')
  for (const coin of ownOutputs(parts, manifest, raw)) {
    const owner = parts.wallets.find(({ wallet }) => wallet === coin.wallet)?.client
    if (!owner || !(await owner.isInMempoolOrChain(coin))) continue
    const { multisigWeight } = owner
    const stuck = { wallet: coin.wallet, weight, fee: version.fee, coin, multisigWeight }
    outcome = planChild({ ...stuck, parent }, rate)
    if (outcome.kind === 'plan') return outcome
  }
  return outcome
}

/** Batches that are too slow and that no fee within what was approved would replace. */
export async function stuckBatches(parts: OwnBatchParts): Promise<BatchId[]> {
  const stuck: BatchId[] = []
  for (const parent of await candidates(parts.db)) {
    const found = await inMempool(parts, parent)
    if (found !== null && (await isIrreplaceable(parts, found))) stuck.push(parent)
  }
  return stuck
}

async function isIrreplaceable(parts: OwnBatchParts, found: InMempool): Promise<boolean> {
  const { manifest, client, version, raw, isNewest } = found
  const withDescendants = await client.mempoolFees(version.txid)
  if (withDescendants === null) return false
  const decision = decideBump({
    sentFee: version.fee,
    inMempool: { fee: version.fee, withDescendants, isNewest },
    vsize: ceilDiv(BigInt(signedWeight(raw)), 4n),
    rates: { wanted: await currentRate(parts, client), ...(await client.mempoolRates()) },
    blocksWaited: await blocksSince(parts.db, version.createdAt),
    bumpAfterBlocks: parts.bumpAfterBlocks,
    feeMax: manifest.feeMax,
  })
  return decision.kind === 'waits'
}

/** What is on its way and has no child that is. */
async function candidates(db: Kysely<Database>): Promise<BatchId[]> {
  const rows = await db
    .selectFrom('batches')
    .select('id')
    .where('rail', '=', 'l1')
    .where('state', 'in', ['sent', 'uncertain'])
    .where('purpose', '!=', 'cpfp')
    .where(eb =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('batches as child')
            .select('child.id')
            .whereRef('child.parent_id', '=', 'batches.id')
            .where('child.state', '!=', 'released'),
        ),
      ),
    )
    .orderBy('id')
    .limit(PARENTS_A_RUN_MAX)
    .execute()
  return rows.map(({ id }) => batchId(id))
}

async function inMempool(parts: OwnBatchParts, batch: BatchId): Promise<InMempool | null> {
  const manifest = await coinManifestOf(parts.db, batch)
  const client = parts.wallets.find(({ wallet }) => wallet === manifest.wallet)?.client
  if (!client) return null
  const spender = await client.mempoolSpender(manifest.anchor)
  const signed = (await versionsOf(parts.db, batch)).filter(({ raw }) => raw !== null)
  const version = signed.find(({ txid }) => txid === spender)
  if (!version?.raw) return null
  return { manifest, client, version, raw: version.raw, isNewest: version === signed[0] }
}

function ownOutputs({ network }: OwnBatchParts, manifest: CoinManifest, raw: Uint8Array) {
  const { purpose, wallet, change, payees } = manifest
  const [payee] = payees
  const isTransfer = purpose === 'transfer' && payee !== undefined
  return leftToUs(effectOf(raw), {
    wallet,
    changeScript: addressScript(change, network),
    transferScript: isTransfer ? addressScript(payee.destination, network) : null,
  })
}

/** What a transaction should pay now, in satoshis a thousand virtual bytes. */
export async function currentRate(
  { feeRateMin, feeRateMax, confirmWithin }: OwnBatchParts,
  client: WalletClient,
): Promise<Sats> {
  const estimate = await client.estimatedFeeRate(confirmWithin)
  const { floor } = await client.mempoolRates()
  return feeRateNow({ estimate, mempoolMin: floor, feeRateMin, feeRateMax })
}

function nothing(reason: string): OwnPlanOutcome {
  return { kind: 'nothing', reason }
}
