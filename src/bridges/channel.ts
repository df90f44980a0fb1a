import { chartAccount, type Entry, type LedgerAccount, mergeLegs } from '../ledger/index.ts'
import { assert } from '../lib/assert.ts'
import { type BatchId, journalKey, type Txid, type UnixMs } from '../lib/ids.ts'
import { millisats, msatsFromSats, type Sats, sats } from '../lib/money.ts'

/** What a batch brought to lnd's own wallet, for good: one coin, of which a channel is made. */
export type ArrivedFunds = {
  readonly batch: BatchId
  readonly coin: { readonly txid: Txid; readonly vout: number }
  readonly amount: Sats
  /** The canonical bytes of what was approved. */
  readonly manifest: Uint8Array
}

/** The channel that such a coin became. */
export type OpenedChannel = {
  readonly coin: { readonly txid: Txid; readonly vout: number }
  readonly peer: string
  readonly capacity: Sats
  /** What its transaction left in lnd's wallet. */
  readonly left: Sats
  readonly fee: Sats
}

/** A transaction of lnd's wallet, as far as it is asked about here. */
export type SeenSpend = {
  readonly txid: Txid
  readonly confirmations: number
  readonly spends: readonly { readonly txid: Txid; readonly vout: number }[]
  readonly outputs: readonly { readonly vout: number; readonly amount: Sats }[]
}

/** A channel that both sides take for open. */
export type SeenChannel = Pick<OpenedChannel, 'coin' | 'peer' | 'capacity'>

/** What has become of the coin of a batch. */
export type ChannelSight =
  /** Nothing of lnd's spends it: a channel may be opened with it. */
  | { readonly kind: 'unspent' }
  | { readonly kind: 'opening'; readonly reason: string }
  | { readonly kind: 'open'; readonly channel: OpenedChannel }

/**
 * What lnd's transactions and channels say of a coin. It counts as a channel only when its spender
 * is final and both sides have taken the channel for open, so that no reorganisation undoes what is
 * booked. What spends it and is no channel, or one that was closed at once, stays for people.
 *
 * @param finality confirmations after which the spender is final
 */
export function sightOf(
  { coin, amount }: Pick<ArrivedFunds, 'coin' | 'amount'>,
  seen: { readonly spends: readonly SeenSpend[]; readonly channels: readonly SeenChannel[] },
  finality: number,
): ChannelSight {
  const isCoin = (each: ArrivedFunds['coin']) => each.txid === coin.txid && each.vout === coin.vout
  const spenders = seen.spends.filter(({ spends }) => spends.some(isCoin))
  if (spenders.length === 0) return { kind: 'unspent' }
  const spender = spenders.toSorted((a, b) => b.confirmations - a.confirmations)[0]
  assert(spender !== undefined, 'there is one')
  if (spender.confirmations < finality)
    return opening(`${spender.txid} has ${spender.confirmations} confirmations`)
  const channel = seen.channels.find(each => each.coin.txid === spender.txid)
  if (channel === undefined) return opening(`${spender.txid} made no channel that is open`)
  if (spender.spends.length !== 1) return opening(`${spender.txid} spends other coins as well`)
  const paid = spender.outputs.reduce((sum, output) => sum + output.amount, 0n)
  const made = spender.outputs.find(({ vout }) => vout === channel.coin.vout)
  if (made?.amount !== channel.capacity || paid > amount)
    return opening(`${spender.txid} is not what lnd says of its channel`)
  const { capacity } = channel
  const [left, fee] = [sats(paid - capacity), sats(amount - paid)]
  return { kind: 'open', channel: { ...channel, left, fee } }
}

function opening(reason: string): ChannelSight {
  return { kind: 'opening', reason }
}

/**
 * How much to fill a channel with where so much is missing: one channel at a time.
 *
 * @returns null where it is too little for a channel
 */
export function channelAmount(
  missing: Sats,
  { atLeast, atMost }: { readonly atLeast: Sats; readonly atMost: Sats },
): Sats | null {
  assert(atLeast <= atMost, 'a channel may have some size')
  if (missing < atLeast) return null
  return missing < atMost ? missing : atMost
}

/** From asset to asset, but for the fee: what is ours only changes its place. */
export function openedEntry(
  { batch, amount }: Pick<ArrivedFunds, 'batch' | 'amount'>,
  { capacity, left, fee }: OpenedChannel,
  at: UnixMs,
): Entry {
  assert(capacity + left + fee === amount, 'a channel, its fee and what is left make its coin')
  const leg = (account: LedgerAccount, value: bigint) => ({ account, amount: millisats(value) })
  return {
    key: journalKey(`channel:${batch}:opened`),
    event: 'channel opened',
    legs: mergeLegs([
      leg(chartAccount('lightningFloat'), msatsFromSats(capacity)),
      leg(chartAccount('lightningWallet'), msatsFromSats(left)),
      leg(chartAccount('feeL1'), msatsFromSats(fee)),
      leg(chartAccount('lightningTransit'), -msatsFromSats(amount)),
    ]),
    at,
  }
}
