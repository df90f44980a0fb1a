import { balancesOf } from '../../../ledger/index.ts'
import { MAX_MONEY_SATS, type Sats, sats } from '../../../lib/money.ts'
import type { FeesMax, Funds } from '../../rail.ts'
import { LIGHTNING_BOOKS } from './lightning-books.ts'
import type { LightningOptions, LightningParts } from './lightning-parts.ts'
import { nodeComplaint } from './node-client.ts'

const PARTS_PER_MILLION = 1_000_000n

/** What payments may cost: each for itself, and nothing for being together. */
export function lineFees({ feeMax }: LightningOptions): FeesMax {
  return {
    ...{ base: sats(0n), whole: sats(MAX_MONEY_SATS), ofCoin: () => sats(0n) },
    ofPayee: () => feeMax.base,
    ofAmount: amount => ofAmount(amount, feeMax.ppm),
  }
}

function ofAmount(amount: Sats, ppm: bigint): Sats {
  return sats((amount * ppm + PARTS_PER_MILLION - 1n) / PARTS_PER_MILLION)
}

/** What the channels can send, without what live batches may still take of it. */
export async function fundsOf({ db, client, options }: LightningParts): Promise<Funds> {
  const complaint = await nodeComplaint(client, options.network)
  if (complaint !== null) return { kind: 'waits', reason: complaint }
  const { outbound, leaving } = await client.liquidity()
  const { out } = LIGHTNING_BOOKS
  // Read last: what ends meanwhile counts twice, which plans less.
  const promised = (await balancesOf(db, [out])).get(out) ?? 0n
  const free = (outbound + leaving - promised) / 1000n
  return {
    kind: 'balance',
    free: sats(free > 0n ? free : 0n),
    expected: { fees: lineFees(options), feeRateSatPerKvb: sats(0n) },
  }
}
