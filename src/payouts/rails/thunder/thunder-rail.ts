import { assert } from '../../../lib/assert.ts'
import type { BatchId, Txid } from '../../../lib/ids.ts'
import { NodeUnreachable } from '../../../lib/nodes/post-client.ts'
import { type ThunderClient, ThunderError } from '../../../lib/nodes/thunder-client.ts'
import { NO_PROOF } from '../../../lib/thunder/block.ts'
import { thunderTxid, transactionBytes } from '../../../lib/thunder/transaction.ts'
import { orUnknown, orWaits } from '../../node-trouble-client.ts'
import { coinManifestOf, mainFeeOfBatch } from '../../payout-store.ts'
import type { CheckOutcome, Rail, SendOutcome } from '../../rail.ts'
import { type Version, versionsOf } from '../../version-store.ts'
import { adopt } from './adopt-rail.ts'
import { chainsOf } from './chains-client.ts'
import { thunderCoinsOf } from './coin-store.ts'
import { parseThunderDestination } from './destination.ts'
import { judgeCoins, judgeVersions, readSubmitReply, type SubmitReply } from './evidence.ts'
import { coinFates, versionEvidence } from './evidence-client.ts'
import { flatFees, fundsOf } from './funds-rail.ts'
import { paymentsOf } from './payments.ts'
import { prepare } from './prepare-rail.ts'
import { parseSigned } from './signed.ts'
import { THUNDER_BOOKS } from './thunder-books.ts'
import type { Parts, ThunderParts } from './thunder-parts.ts'
import { paysAll } from './transaction.ts'

/** Pays in batches on Thunder, each version of one spending its anchor. */
export function thunderRail({ node, complaint, ...given }: ThunderParts): Rail {
  const { options, client } = given
  assert(options.addresses.length > 0, 'a rail on Thunder has an address')
  const parts: Parts = { ...given, chains: chainsOf({ client, node, complaint }) }
  const fees = flatFees(options.fee)
  const asks = (batch: BatchId) => check(parts, batch)
  return {
    name: 'thunder',
    books: THUNDER_BOOKS,
    parseDestination: parseThunderDestination,
    fees: { ...fees, whole: options.fee },
    funds: () => orWaits(() => fundsOf(parts)),
    prepare: lease => orWaits(() => prepare(parts, asks, lease)),
    send: batch => orUnknown(() => send(parts, batch)),
    check: batch => orUnknown(() => check(parts, batch)),
    adopt: lease => orWaits(() => adopt(parts, lease)),
    // A mempool of Thunder replaces nothing, and takes each transaction in its turn.
    bump: async () => ({ kind: 'stays' }),
  }
}

async function send(parts: Parts, batch: BatchId): Promise<SendOutcome> {
  const reason = await parts.chains.complaint()
  if (reason !== null) return { kind: 'unknown', reason }
  const newest = (await versionsOf(parts.db, batch)).find(({ raw }) => raw !== null)
  assert(newest?.raw, 'only a prepared batch is sent')
  const verdict = readSubmitReply(await submit(parts.client, newest.raw), newest.txid)
  if (verdict.kind !== 'look') return verdict
  const evidence = await check(parts, batch)
  if (evidence.kind === 'waiting' || evidence.kind === 'settled') return { kind: 'sent' }
  const more = 'reason' in evidence ? `; ${evidence.reason}` : ''
  return { kind: 'unknown', reason: `${verdict.reason}${more}` }
}

async function submit(client: ThunderClient, raw: Uint8Array): Promise<SubmitReply> {
  const signed = parseSigned(raw)
  assert(signed !== null, 'what is stored can be read')
  const { authorizations } = signed
  const transaction = { ...signed.transaction, proof: NO_PROOF }
  try {
    const txid = await client.submitTransaction({ transaction, authorizations })
    return { kind: 'txid', txid }
  } catch (error) {
    if (error instanceof ThunderError) return { kind: 'error', message: error.message }
    if (error instanceof NodeUnreachable) return { kind: 'no answer', message: error.message }
    throw error
  }
}

async function check(parts: Parts, batch: BatchId): Promise<CheckOutcome> {
  const { db, chains, options } = parts
  const reason = await chains.complaint()
  if (reason !== null) return { kind: 'unknown', reason }
  const manifest = await coinManifestOf(db, batch)
  const stored = await versionsOf(db, batch)
  const versions = await versionEvidence(parts, stored)
  const { finality } = options
  const stall = await chains.stall()
  const decided = judgeVersions(versions, { stall, finality })
  // What became of the coins is two more questions, and known here.
  if (decided !== null) return decided
  const [anchor, ...others] = await coinFates(
    parts,
    await thunderCoinsOf(db, coinsToAsk(stored, manifest.anchor)),
  )
  assert(anchor !== undefined, 'a batch has an anchor')
  const outcome = judgeCoins({ versions, anchor, others, stall, finality })
  if (outcome.kind !== 'dead' || anchor.fate.kind !== 'spent') return outcome
  // A database that was restored does not know every version that it had; paying again is worse
  // than waiting for people.
  const pays = await paysPayees(parts, anchor.fate.by, batch)
  return pays ? { kind: 'unknown', reason: `${anchor.fate.by} pays this batch` } : outcome
}

/** The anchor, and what else the newest signed version spends: where it is late, they tell why. */
function coinsToAsk(versions: readonly Version[], anchor: Version['coins'][number]) {
  const [, ...others] = versions.find(({ raw }) => raw !== null)?.coins ?? []
  return [anchor, ...others]
}

/** Whether whatever spent the anchor pays all payees; true where it cannot be looked at. */
async function paysPayees(parts: Parts, by: Txid, batch: BatchId): Promise<boolean> {
  const { side } = parts.chains
  const found = await side.find(new Set([by]), true)
  const block = found && (await side.blockOf(found.hash))
  const spender = block?.body.transactions.find(each => thunderTxid(transactionBytes(each)) === by)
  if (!spender) return true
  const mainFee = await mainFeeOfBatch(parts.db, batch)
  return paysAll(spender.outputs, paymentsOf(await coinManifestOf(parts.db, batch), mainFee))
}
