import { type Sats, sats } from '../../../lib/money.ts'
import { addressPayload } from '../../../lib/thunder/address.ts'
import { orWaits } from '../../node-trouble-client.ts'
import { outpointText } from '../../outpoint.ts'
import type { Coin, Fees, Funds } from '../../rail.ts'
import { chainsOf } from './chains-client.ts'
import {
  changeAddress,
  foldThunder,
  heldAmong,
  lostThunderCoins,
  notedThunderCoins,
} from './coin-store.ts'
import type { Parts, ThunderOptions, ThunderParts } from './thunder-parts.ts'
import { outpointOf } from './transaction.ts'

type FundsParts = Pick<Parts, 'db' | 'clock' | 'client' | 'chains'> & {
  readonly options: Pick<ThunderOptions, 'addresses' | 'fee' | 'floatCap'>
}

/** What the rail can spend now, for whoever plans a batch of it and has no rail. */
export function thunderFunds({
  node,
  complaint,
  ...parts
}: Omit<FundsParts, 'chains'> & Pick<ThunderParts, 'node' | 'complaint'>): () => Promise<Funds> {
  const { client } = parts
  const chains = chainsOf({ client, node, complaint })
  return () => orWaits(() => fundsOf({ ...parts, chains }))
}

/** One sum for a transaction, however large. */
export function flatFees(fee: Sats): Fees {
  return { base: fee, ofCoin: () => sats(0n), ofPayee: () => sats(0n), ofAmount: () => sats(0n) }
}

/** Coins of ours by our own books that Thunder has and no batch holds. Node trouble is thrown. */
export async function fundsOf({ db, clock, client, chains, options }: FundsParts): Promise<Funds> {
  // What it cannot believe, or a Thunder that does not go on: nothing is started on it.
  const reason = (await chains.complaint()) ?? (await chains.stall())
  if (reason !== null) return { kind: 'waits', reason }
  await foldThunder(db, clock.now())
  const listed = (await client.getUtxos(options.addresses)).map(outpointOf)
  const lost = await lostThunderCoins(db)
  const noted = await notedThunderCoins(
    db,
    listed.filter(coin => !lost.has(outpointText(coin))),
  )
  const held = await heldAmong(db, listed)
  const value = [...noted.values()].reduce((sum, coin) => sum + coin.value, 0n)
  if (options.floatCap !== null && value > options.floatCap)
    return { kind: 'waits', reason: 'our addresses hold more than the float may be' }
  const coins = [...noted.values()]
    .filter(coin => !held.has(outpointText(outpointOf(coin))))
    .map((coin): Coin => {
      const script = addressPayload(coin.address)
      return { ...outpointOf(coin), value: coin.value, script }
    })
  return {
    kind: 'coins',
    coins,
    newChange: () => changeAddress(db, options.addresses),
    // Thunder asks for no fee by size, so that nobody's wish for a low one keeps a payout waiting.
    expected: { fees: flatFees(options.fee), feeRateSatPerKvb: sats(0n) },
  }
}
