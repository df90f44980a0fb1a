import type { CoinManifest } from '../../../approval/index.ts'
import type { BatchId } from '../../../lib/ids.ts'
import { ceilDiv } from '../../../lib/money.ts'
import { spendsAll } from '../../outpoint.ts'
import { coinManifestOf } from '../../payout-store.ts'
import type { BumpOutcome, CheckOutcome, Lease } from '../../rail.ts'
import {
  blocksSince,
  storeIntent,
  VERSIONS_MAX,
  type Version,
  versionsOf,
} from '../../version-store.ts'
import { type BumpView, decideBump, leastFee } from './bump.ts'
import { readSendReply } from './evidence.ts'
import { feeRate } from './fee-rate-client.ts'
import { judge } from './judge-rail.ts'
import { type Parts, walletOf } from './l1-parts.ts'
import { nextOrder } from './order-rail.ts'
import { signVersion } from './sign-rail.ts'
import {
  buildTransaction,
  feeFor,
  feeRateOf,
  type Order,
  spentBy,
  weightOf,
} from './transaction.ts'

/**
 * Replaces what was sent, where it is too slow, by a version that pays a higher fee within what was
 * approved. The one that was sent stays valid: whichever a miner takes pays the batch.
 *
 * @param asks for the evidence of a batch
 */
export async function bump(
  parts: Parts,
  asks: (batch: BatchId) => Promise<CheckOutcome>,
  lease: Lease,
): Promise<BumpOutcome> {
  const evidence = await asks(lease.batch)
  const isOpen = evidence.kind === 'missing' || isUnconfirmed(evidence)
  if (!isOpen) return { kind: 'stays' }
  const versions = await versionsOf(parts.db, lease.batch)
  const [newest] = versions
  const signedOnes = versions.filter(({ raw }) => raw !== null)
  if (!newest || signedOnes.length === 0) return { kind: 'stays' }
  const manifest = await coinManifestOf(parts.db, lease.batch)
  const next = await nextOrder(parts, manifest)
  if (next.kind === 'waits') return next
  const { order } = next
  const isDeposit = manifest.purpose === 'deposit'
  const sent = signedOnes.find(({ coins }) => !isDeposit || spendsAll(coins, spentBy(order)))
  if (!sent) return remake(parts, lease, manifest, { order, versions })
  // What no mempool takes was refused for what it is, and a higher fee would change nothing.
  if (isDeposit && evidence.kind === 'missing') return { kind: 'stays' }
  const view = await viewOf(parts, manifest, { versions, sent, order })
  // A version that was begun is ended first, while it still replaces: its co-signers may be at it.
  const isBegun = newest.raw === null && spendsAll(newest.coins, spentBy(order))
  if (isBegun && newest.fee > sent.fee && newest.fee >= leastFee(view))
    return signed(parts, lease, manifest, newest)
  const decision = decideBump(view)
  switch (decision.kind) {
    case 'stays':
    case 'waits':
      return decision
    case 'send again':
      return sendAgain(parts, sent)
    case 'bump': {
      const made = { version: newest.version + 1, fee: decision.fee }
      const begun = await begin(parts, lease, manifest, { order, ...made })
      return begun.kind === 'begun' ? signed(parts, lease, manifest, begun.version) : begun
    }
  }
}

/**
 * Makes a deposit anew where another one has moved the treasury: no version that was signed can
 * confirm then, unless the chain takes the other one back. It costs no less than what is booked,
 * since the ledger knows only rises.
 */
async function remake(
  parts: Parts,
  lease: Lease,
  manifest: CoinManifest,
  { order, versions }: { readonly order: Order; readonly versions: readonly Version[] },
): Promise<BumpOutcome> {
  const begun = versions.find(({ coins }) => spendsAll(coins, spentBy(order)))
  if (begun) return signed(parts, lease, manifest, begun)
  const wanted = feeFor(weightOf(order), await feeRate(parts))
  const fees = [
    wanted < manifest.feeMax ? wanted : manifest.feeMax,
    ...versions.filter(({ raw }) => raw !== null).map(({ fee }) => fee),
  ]
  const fee = fees.reduce((most, each) => (each > most ? each : most))
  const version = (versions[0]?.version ?? 0) + 1
  const made = await begin(parts, lease, manifest, { order, version, fee })
  return made.kind === 'begun' ? signed(parts, lease, manifest, made.version) : made
}

function isUnconfirmed(evidence: CheckOutcome): boolean {
  return evidence.kind === 'waiting' && evidence.confirmations === 0
}

type Begun = { readonly kind: 'begun'; readonly version: Version } | BumpOutcome

/** Builds the next version and stores what is about to be signed. */
async function begin(
  parts: Parts,
  lease: Lease,
  manifest: CoinManifest,
  { order, version, fee }: { readonly order: Order } & Pick<Version, 'version' | 'fee'>,
): Promise<Begun> {
  if (version > VERSIONS_MAX) return { kind: 'waits', reason: 'it has too many versions' }
  const judgement = await judge(parts, manifest)
  if (judgement.kind === 'refused') return { kind: 'waits', reason: judgement.reason }
  const built = buildTransaction(order, fee)
  if (built.kind !== 'built')
    return { kind: 'waits', reason: `a fee of ${fee} sat leaves it ${built.kind}` }
  const { client } = walletOf(parts, manifest)
  const intent = {
    ...{ version, fee, txid: built.txid, coins: spentBy(order) },
    unsigned: await client.describe(built.psbt),
    createdAt: parts.clock.now(),
  }
  if (!(await storeIntent(parts.db, lease, intent, ['sent', 'uncertain'])))
    return { kind: 'fenced' }
  return { kind: 'begun', version: { ...intent, raw: null } }
}

/** Time does not stop it, since what it replaces has left; a policy that changed does. */
async function signed(
  parts: Parts,
  lease: Lease,
  manifest: CoinManifest,
  version: Version,
): Promise<BumpOutcome> {
  const judgement = await judge(parts, manifest)
  if (judgement.kind === 'refused') return { kind: 'waits', reason: judgement.reason }
  const { approved } = judgement
  const outcome = await signVersion(parts, lease, version, { approved, as: 'bumped' })
  switch (outcome.kind) {
    case 'prepared':
      return { kind: 'bumped' }
    case 'refused':
      return { kind: 'waits', reason: outcome.reason }
    case 'closed':
      return { kind: 'waits', reason: 'its signer says that it never signed what was sent' }
    case 'waits':
    case 'fenced':
      return outcome
  }
}

/** The bytes that are stored may still get in, where a recipient's child was faster before. */
async function sendAgain({ hot }: Parts, { raw, fee, txid }: Version): Promise<BumpOutcome> {
  if (raw === null) return { kind: 'stays' }
  const reply = readSendReply(await hot.client.broadcast(raw, feeRateOf(raw, fee)), txid)
  return reply.kind === 'sent' ? { kind: 'stays' } : { kind: 'waits', reason: reply.reason }
}

async function viewOf(
  parts: Parts,
  manifest: CoinManifest,
  of: { readonly versions: readonly Version[]; readonly sent: Version; readonly order: Order },
): Promise<BumpView> {
  const { client } = walletOf(parts, manifest)
  const spender = await client.mempoolSpender(manifest.anchor)
  const there = of.versions.find(({ txid }) => txid === spender)
  const withDescendants = there ? await client.mempoolFees(there.txid) : null
  const isNewest = there === of.sent
  return {
    sentFee: of.sent.fee,
    inMempool:
      there && withDescendants !== null ? { fee: there.fee, withDescendants, isNewest } : null,
    vsize: ceilDiv(BigInt(weightOf(of.order)), 4n),
    rates: { wanted: await feeRate(parts), ...(await client.mempoolRates()) },
    blocksWaited: await blocksSince(parts.db, of.sent.createdAt),
    bumpAfterBlocks: parts.options.bumpAfterBlocks,
    feeMax: manifest.feeMax,
  }
}
