import type { PaymentNews } from '../nodes/lnd-client.ts'
import type { LndChannel, LndInfo, LndPayment } from '../nodes/lnd-replies.ts'

/** What our channels say of a payment that lnd takes for on its way. */
export type Way =
  /** It may be: its time is not over, or a channel carries it. */
  | { readonly kind: 'open' }
  /** Its time is over, and no channel carries it; lnd had run for so long when it said so. */
  | { readonly kind: 'gone'; readonly lndUpMs: number }
  /** Nothing, so that what was seen before still holds. */
  | { readonly kind: 'not told' }

/** Where nobody asks the channels. */
export const NOT_TOLD: Way = { kind: 'not told' }

/**
 * Blocks past the height at which the last part comes back by itself. lnd closes a channel that still
 * has such a part on either side's commitment when it sees that block, and is given some more to do it.
 */
const BLOCKS_PAST_MIN = 6

type Seen = Pick<LndInfo, 'height' | 'isSynced'>

/** Whether the channels are worth asking: lnd says "on its way" of what has had its time. */
export function isOverdue(news: PaymentNews, { height, isSynced }: Seen): boolean {
  const payment = onItsWay(news)
  return payment !== null && isSynced && height >= payment.untilHeight + BLOCKS_PAST_MIN
}

/**
 * Looks for a payment in the channels that it left by. One of them that is closed, or whose peer is
 * away, tells nothing: its parts are settled on the chain, or when the peer is back.
 *
 * @param node as it was before the channels were asked
 * @param channels null where lnd does not show them
 * Source: lnd, contractcourt/channel_arbitrator.go `checkLocalChainActions`; rpcserver.go
 * `createRPCOpenChannel`.
 */
export function wayOf(news: PaymentNews, node: Seen, channels: readonly LndChannel[] | null): Way {
  const payment = onItsWay(news)
  if (payment === null) return { kind: 'open' }
  if (!node.isSynced) return NOT_TOLD
  if (!isOverdue(news, node)) return { kind: 'open' }
  if (channels === null) return NOT_TOLD
  if (channels.some(({ carries }) => carries.includes(payment.paymentHash))) return { kind: 'open' }
  const left = payment.firstHops.map(id => channels.find(channel => channel.id === id))
  const upMs = left.map(channel => (channel?.isActive ? channel.watchedMs : 0))
  // Before it watches them, lnd is not there yet.
  if (upMs.length === 0 || upMs.includes(0)) return NOT_TOLD
  return { kind: 'gone', lndUpMs: Math.max(...upMs) }
}

function onItsWay(news: PaymentNews): (LndPayment & { readonly untilHeight: number }) | null {
  if (news.kind !== 'payment' || news.payment.status !== 'in flight') return null
  const { untilHeight } = news.payment
  return untilHeight === null ? null : { ...news.payment, untilHeight }
}
