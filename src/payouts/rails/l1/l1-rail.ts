import type { Kysely } from 'kysely'
import { chartAccount } from '../../../ledger/index.ts'
import { assert } from '../../../lib/assert.ts'
import { NETWORK_FACTS, type Network } from '../../../lib/bitcoin/network.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { BatchId } from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import type { NodeRpc } from '../../../lib/nodes/bitcoin-core-client.ts'
import type { Clock } from '../../../lib/time.ts'
import { type Manifest, type SpendPolicy, verdictText } from '../../../treasury/index.ts'
import { judgeBatch } from '../../decide-store.ts'
import { manifestOf, moveBatch, NotPosted } from '../../payout-store.ts'
import type {
  CheckOutcome,
  Funds,
  Lease,
  PrepareOutcome,
  Rail,
  RailBooks,
  SendOutcome,
} from '../../rail.ts'
import { addressScript, feesAt, parseDestination } from './destination.ts'
import { judgeEvidence, readSendReply } from './evidence.ts'
import { anchorEvidence, chainWatch, versionEvidence } from './evidence-client.ts'
import {
  buildTransaction,
  feeFor,
  feeRateOf,
  type Order,
  parseRaw,
  psbtBase64,
  transactionComplaint,
  txidOf,
  WEIGHT_MAX,
} from './transaction.ts'
import { coinsOf, storeIntent, storeSigned, type Version, versionsOf } from './version-store.ts'
import { isNodeTrouble, type WalletClient, walletClient } from './wallet-client.ts'

/** Configuration of the rail; fee rates are in satoshis a thousand virtual bytes. */
export type L1Options = {
  readonly network: Network
  /** The node's wallet: native segwit, loaded at the node's start. */
  readonly wallet: string
  readonly feeRateMin: Sats
  /** Operators approve at most this rate; above it a batch waits. */
  readonly feeRateMax: Sats
  /** Blocks within which a batch should confirm. */
  readonly confirmWithin: number
  /** Confirmations after which a payment, or a foreign spend of an anchor, is final. */
  readonly finality: number
  /**
   * The node's wallet signs whatever it is asked to, so what it may hold bounds the loss; the rail
   * pays nothing while it holds more. Null only on regtest.
   */
  readonly floatCap: Sats | null
}

export type L1Parts = {
  readonly db: Kysely<Database>
  readonly node: NodeRpc
  readonly clock: Clock
  /** The rules with the people of this moment. */
  readonly policy: () => Promise<SpendPolicy>
  readonly options: L1Options
}

/** Where the float of the node's wallet stands in the ledger. */
export const L1_BOOKS: RailBooks = {
  float: chartAccount('l1Float'),
  out: chartAccount('l1Unconfirmed'),
  fee: chartAccount('feeL1'),
}

/** Pays in batches on the main chain, signed by the node's own wallet. */
export function l1Rail(parts: L1Parts): Rail {
  const { options, db } = parts
  assert(options.floatCap !== null || options.network === 'regtest', 'a float has a cap')
  assert(options.feeRateMin <= options.feeRateMax, 'the fee rates are a range')
  const wallet = walletClient(parts.node, options.wallet)
  const complaint = chainWatch(db, wallet, NETWORK_FACTS[options.network].chain)
  const rail = { ...parts, wallet, complaint }
  return {
    name: 'l1',
    books: L1_BOOKS,
    parseDestination: payee => parseDestination(payee, options.network),
    fees: {
      ...feesAt(options.feeRateMax, options.network),
      whole: feeFor(WEIGHT_MAX, options.feeRateMax),
    },
    funds: () =>
      orReason(
        reason => ({ kind: 'waits', reason }),
        () => funds(rail),
      ),
    prepare: lease =>
      orReason(
        reason => ({ kind: 'waits', reason }),
        () => prepare(rail, lease),
      ),
    send: batch =>
      orReason(
        reason => ({ kind: 'unknown', reason }),
        () => send(rail, batch),
      ),
    check: batch =>
      orReason(
        reason => ({ kind: 'unknown', reason }),
        () => check(rail, batch),
      ),
    bump: async () => ({ kind: 'stays' }),
  }
}

type Parts = L1Parts & {
  readonly wallet: WalletClient
  /** Why the node's chain decides nothing now, or null. */
  readonly complaint: () => Promise<string | null>
}

/** Node trouble is an answer: nothing is known, and the same step comes again. */
async function orReason<T>(answer: (reason: string) => T, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isNodeTrouble(error)) return answer(`${error.name}: ${error.message}`)
    throw error
  }
}

async function funds(parts: Parts): Promise<Funds> {
  const { wallet, complaint, options } = parts
  const reason = await complaint()
  if (reason !== null) return { kind: 'waits', reason }
  const coins = await wallet.coins()
  const held = coins.reduce((sum, coin) => sum + coin.value, 0n)
  if (options.floatCap !== null && held > options.floatCap) {
    return { kind: 'waits', reason: 'the wallet holds more than the float may be' }
  }
  const wanted = await feeRate(parts)
  const feeRateSatPerKvb = wanted < options.feeRateMax ? wanted : options.feeRateMax
  const expected = { fees: feesAt(feeRateSatPerKvb, options.network), feeRateSatPerKvb }
  return { kind: 'funds', coins, newChange: wallet.newChangeAddress, expected }
}

async function prepare(parts: Parts, lease: Lease): Promise<PrepareOutcome> {
  const { db, wallet } = parts
  const manifest = await manifestOf(db, lease.batch)
  const stored = (await versionsOf(db, lease.batch))[0]
  // Before anything could be signed, time ends it, whatever else it waits for.
  if (!stored && parts.clock.now() >= manifest.expiresAt) return { kind: 'expired' }
  const reason = (await refusal(parts, manifest)) ?? (await parts.complaint())
  if (reason !== null) return stored ? deadOr(parts, lease, reason) : { kind: 'waits', reason }
  const order = await orderOf(parts, manifest)
  // What was begun is ended: it may be signed already, so neither time nor fees undo it.
  if (stored) return sign(parts, lease, order, stored)
  if (!(await wallet.isUnspent(manifest.anchor)))
    return spentAnchor(await check(parts, lease.batch))
  const rate = await feeRate(parts)
  const built = buildTransaction(order, rate)
  if (built.kind === 'too dear') {
    return { kind: 'waits', reason: `it would cost ${built.fee} sat, approved are ${order.feeMax}` }
  }
  const version = { version: 1, txid: built.txid, fee: built.fee, psbt: built.psbt }
  if (!(await storeIntent(db, lease, version, parts.clock.now()))) return { kind: 'fenced' }
  return sign(parts, lease, order, { ...version, raw: null })
}

/** Checks what the wallet, which signs anything, does not: who approved, and what. */
async function refusal({ db, clock, policy, options, wallet }: Parts, manifest: Manifest) {
  if (manifest.network !== options.network || manifest.rail !== 'l1')
    return 'it is not for this rail'
  const verdict = await judgeBatch(db, await policy(), manifest.batch, clock.now())
  if (verdict.kind !== 'approved') return verdictText(verdict)
  return (await wallet.isOurs(manifest.change))
    ? null
    : 'its change is not an address of the wallet'
}

async function orderOf({ db, options }: Parts, manifest: Manifest): Promise<Order> {
  return {
    coins: await coinsOf(db, manifest.batch, manifest.anchor),
    payments: manifest.payees.map(({ destination, amount }) => ({
      script: addressScript(destination, options.network),
      amount,
    })),
    changeScript: addressScript(manifest.change, options.network),
    feeMax: manifest.feeMax,
  }
}

function spentAnchor(evidence: CheckOutcome): PrepareOutcome {
  if (evidence.kind === 'dead') return evidence
  return { kind: 'waits', reason: 'reason' in evidence ? evidence.reason : 'its anchor is spent' }
}

async function feeRate({ wallet, options }: Parts): Promise<Sats> {
  const wanted = (await wallet.estimatedFeeRate(options.confirmWithin)) ?? options.feeRateMin
  const floor = await wallet.mempoolFeeRate()
  const least = [wanted, options.feeRateMin].reduce((a, b) => (a > b ? a : b))
  const capped = least < options.feeRateMax ? least : options.feeRateMax
  // Below what mempools take now it would go nowhere, so the build says that it is too dear.
  return sats(capped > floor ? capped : floor)
}

async function sign(
  parts: Parts,
  lease: Lease,
  order: Order,
  version: Version,
): Promise<PrepareOutcome> {
  const { wallet } = parts
  const hex = await wallet.sign(psbtBase64(version.psbt))
  const raw = hex === null ? null : parseRaw(hex)
  if (raw === null) return { kind: 'waits', reason: 'the wallet did not sign all of it' }
  const wrong = transactionComplaint(raw, order)
  if (wrong !== null || txidOf(raw) !== version.txid) {
    return { kind: 'waits', reason: wrong ?? 'the wallet signed another transaction' }
  }
  const refused = await wallet.mempoolComplaint(raw, feeRateOf(raw, version.fee))
  if (refused !== null) {
    return deadOr(parts, lease, `the mempool would refuse it: ${refused}`)
  }
  return storePrepared(parts, lease, version, raw)
}

/** What was begun waits, and only proof that its anchor went elsewhere ends it. */
async function deadOr(parts: Parts, { batch }: Lease, reason: string): Promise<PrepareOutcome> {
  const evidence = await check(parts, batch)
  return evidence.kind === 'dead' ? evidence : { kind: 'waits', reason }
}

async function storePrepared(
  { db, clock }: Parts,
  lease: Lease,
  { version, fee }: Version,
  raw: Uint8Array,
): Promise<PrepareOutcome> {
  const lost = new Error('fenced')
  try {
    await db.transaction().execute(async tx => {
      const event = { kind: 'prepared', fee } as const
      const moved = await moveBatch(tx, lease, event, { books: L1_BOOKS, at: clock.now() })
      if (moved.kind !== 'moved') throw lost
      await storeSigned(tx, lease.batch, version, raw)
    })
    return { kind: 'prepared' }
  } catch (error) {
    if (error === lost) return { kind: 'fenced' }
    if (error instanceof NotPosted) return { kind: 'waits', reason: error.message }
    throw error
  }
}

async function send({ db, wallet, complaint }: Parts, batch: BatchId): Promise<SendOutcome> {
  const reason = await complaint()
  if (reason !== null) return { kind: 'unknown', reason }
  const newest = (await versionsOf(db, batch)).find(({ raw }) => raw !== null)
  assert(newest?.raw, 'only a prepared batch is sent')
  const reply = await wallet.broadcast(newest.raw, feeRateOf(newest.raw, newest.fee))
  return readSendReply(reply, newest.txid)
}

async function check(parts: Parts, batch: BatchId): Promise<CheckOutcome> {
  const { db, wallet, options } = parts
  const reason = await parts.complaint()
  if (reason !== null) return { kind: 'unknown', reason }
  const { anchor } = await manifestOf(db, batch)
  const versions = await versionEvidence(wallet, await versionsOf(db, batch))
  return judgeEvidence(versions, await anchorEvidence(wallet, anchor), options.finality)
}
