import type { CoinManifest } from '../../../approval/index.ts'
import { assert } from '../../../lib/assert.ts'
import { DUST_RELAY_SAT_PER_KVB } from '../../../lib/bitcoin/address.ts'
import { NETWORK_FACTS } from '../../../lib/bitcoin/network.ts'
import type { BatchId } from '../../../lib/ids.ts'
import { orUnknown, orWaits } from '../../node-trouble-client.ts'
import { spendsAll } from '../../outpoint.ts'
import { coinManifestOf } from '../../payout-store.ts'
import type { CheckOutcome, Funds, Rail, SendOutcome } from '../../rail.ts'
import { isParentReleased, siblingsOf, type Version, versionsOf } from '../../version-store.ts'
import { adopt } from './adopt-rail.ts'
import { bump } from './bump-rail.ts'
import { foldSettled } from './coin-batches-store.ts'
import { ownCoins } from './coin-store.ts'
import { addressScript, feesAt, parseDestination } from './destination.ts'
import { judgeAnchor, judgeVersions, readSendReply } from './evidence.ts'
import { anchorEvidence, chainWatch, versionEvidence } from './evidence-client.ts'
import { feeRate } from './fee-rate-client.ts'
import {
  L1_BOOKS,
  type L1Parts,
  type OpenWallet,
  type Parts,
  type WalletChoice,
  walletOf,
} from './l1-parts.ts'
import { multisigInputWeight } from './multisig.ts'
import { knownPayments, nextOrder } from './order-rail.ts'
import { prepare } from './prepare-rail.ts'
import { feeFor, feeRateOf, parseRaw, paysAll, spentBy, WEIGHT_MAX } from './transaction.ts'
import { walletClient } from './wallet-client.ts'

/** Pays in batches on the main chain, each version of one spending its anchor. */
export function l1Rail(given: L1Parts): Rail {
  const { options, db, clock, policy, node, hot, cold, sidechain, channelAddress } = given
  assert(options.feeRateMin <= options.feeRateMax, 'the fee rates are a range')
  const open = ({ name, signer, multisig }: WalletChoice): OpenWallet => {
    const multisigWeight = multisig && multisigInputWeight(multisig)
    return { client: walletClient(node, name, multisigWeight), signer, multisigWeight }
  }
  const opened = open(hot)
  const parts: Parts = {
    ...{ db, clock, policy, options, sidechain, channelAddress },
    hot: opened,
    cold: cold && open(cold),
    complaint: chainWatch({ db, clock }, opened.client, NETWORK_FACTS[options.network].chain),
  }
  const asks: Asks = work => check(parts, work)
  // As the node said when it was last asked for funds, which every plan does before it pays.
  let dustRate = DUST_RELAY_SAT_PER_KVB
  return {
    name: 'l1',
    books: L1_BOOKS,
    parseDestination: payee => parseDestination(payee, options.network, dustRate),
    fees: {
      ...feesAt(options.feeRateMax, options.network, opened.multisigWeight),
      whole: feeFor(WEIGHT_MAX, options.feeRateMax),
    },
    funds: () =>
      orWaits(async () => {
        dustRate = await opened.client.dustRelayRate()
        return funds(parts)
      }),
    prepare: lease => orWaits(() => prepare(parts, asks, lease)),
    send: batch => orUnknown(() => send(parts, batch)),
    check: batch => orUnknown(() => check(parts, batch)),
    adopt: lease => orWaits(() => adopt(parts, lease)),
    bump: lease => orWaits(() => bump(parts, asks, lease)),
  }
}

async function funds(parts: Parts): Promise<Funds> {
  const { hot, complaint, options } = parts
  const reason = await complaint()
  if (reason !== null) return { kind: 'waits', reason }
  const addressOf = (text: string) => addressScript(text, options.network)
  await foldSettled(parts.db, { addressOf, at: parts.clock.now() })
  const { noted, free } = await ownCoins(parts.db, 'hot', await hot.client.coins(options.finality))
  const held = noted.reduce((sum, coin) => sum + coin.value, 0n)
  if (options.floatCap !== null && held > options.floatCap) {
    return { kind: 'waits', reason: 'the wallet holds more than the float may be' }
  }
  const wanted = await feeRate(parts)
  const feeRateSatPerKvb = wanted < options.feeRateMax ? wanted : options.feeRateMax
  const fees = feesAt(feeRateSatPerKvb, options.network, hot.multisigWeight)
  const expected = { fees, feeRateSatPerKvb }
  return { kind: 'coins', coins: free, newChange: hot.client.newChangeAddress, expected }
}

async function send(parts: Parts, batch: BatchId): Promise<SendOutcome> {
  const { db, hot, complaint } = parts
  const reason = await complaint()
  if (reason !== null) return { kind: 'unknown', reason }
  const signed = (await versionsOf(db, batch)).filter(({ raw }) => raw !== null)
  const manifest = await coinManifestOf(db, batch)
  const chosen = await versionToSend(parts, manifest, signed)
  if (chosen.kind === 'unknown') return chosen
  const { raw, fee, txid } = chosen.version
  assert(raw, 'only a prepared batch is sent')
  const sent = readSendReply(await hot.client.broadcast(raw, feeRateOf(raw, fee)), txid)
  if (sent.kind === 'sent' || manifest.purpose !== 'deposit') return sent
  // Most nodes relay none, and need not: it is offered to our own blocks.
  return { kind: 'unknown', reason: `it waits for a block of ours; ${sent.reason}` }
}

type ToSend = { readonly kind: 'version'; readonly version: Version } | SendOutcome

/** The newest; of a deposit the newest that spends the coin which the treasury has now. */
async function versionToSend(
  parts: Parts,
  manifest: CoinManifest,
  signed: readonly Version[],
): Promise<Exclude<ToSend, { kind: 'sent' }>> {
  const [newest] = signed
  assert(newest !== undefined, 'only a prepared batch is sent')
  if (manifest.purpose !== 'deposit') return { kind: 'version', version: newest }
  const next = await nextOrder(parts, manifest)
  if (next.kind === 'waits') return { kind: 'unknown', reason: next.reason }
  const version = signed.find(({ coins }) => spendsAll(coins, spentBy(next.order)))
  if (version) return { kind: 'version', version }
  return { kind: 'unknown', reason: 'another deposit came first: it is made anew' }
}

async function check(parts: Parts, batch: BatchId): Promise<CheckOutcome> {
  const { db, options } = parts
  const reason = await parts.complaint()
  if (reason !== null) return { kind: 'unknown', reason }
  const manifest = await coinManifestOf(db, batch)
  const { client } = walletOf(parts, manifest)
  const versions = await versionEvidence(client, await versionsOf(db, batch))
  const decided = judgeVersions(versions, options.finality)
  // Who spent the anchor is a search through the wallet's history, and known here.
  if (decided !== null) return decided
  // No version of a released parent can ever be, so nor can the coin that its child spends.
  if (await isParentReleased(db, batch)) return { kind: 'dead', reason: 'its parent was released' }
  const siblings = await versionEvidence(client, await siblingsOf(db, batch, manifest.anchor.txid))
  const anchor = await anchorEvidence(client, manifest.anchor, siblings)
  const outcome = judgeAnchor(versions, anchor, options.finality)
  if (outcome.kind !== 'dead' || anchor.kind !== 'spent') return outcome
  // A database that was restored does not know every version that it had; paying again is worse
  // than waiting for people.
  const hex = await client.hexOf(anchor.by)
  const raw = hex === null ? null : parseRaw(hex)
  if (raw === null || paysAll(raw, knownPayments(parts, manifest)))
    return { kind: 'unknown', reason: `${anchor.by} has spent the anchor, and pays this batch` }
  return outcome
}

/** Asks for the evidence of a batch. */
export type Asks = (batch: BatchId) => Promise<CheckOutcome>
