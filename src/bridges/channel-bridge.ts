import type { Kysely } from 'kysely'
import { unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { Log } from '../lib/log.ts'
import type { Sats } from '../lib/money.ts'
import { newsOnly } from '../lib/news.ts'
import type { Clock } from '../lib/time.ts'
import type { Bridge } from './bridge.ts'
import {
  type ArrivedFunds,
  type ChannelSight,
  channelAmount,
  type SeenChannel,
  type SeenSpend,
  sightOf,
} from './channel.ts'
import { storeOpened } from './channel-store.ts'

/** What the bridge asks of nodes. Their trouble is thrown, and the next run asks again. */
export type ChannelView = {
  /**
   * Transactions of lnd's wallet since a coin came there; null where the coin is not on the main
   * chain now, or lnd has not caught up with it, so that it proves nothing.
   */
  readonly spendsSince: (coin: ArrivedFunds['coin']) => Promise<readonly SeenSpend[] | null>
  readonly channels: () => Promise<readonly (SeenChannel & { readonly isActive: boolean })[]>
}

export type ChannelBridgeParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly view: ChannelView
  /** Public keys, in the order in which they are tried. */
  readonly peers: readonly string[]
  readonly size: { readonly atLeast: Sats; readonly atMost: Sats }
  readonly need: Bridge['need']
  /** Plans a batch that brings an amount to lnd's wallet. */
  readonly fill: Bridge['fill']
  /** What has come there for good and is no channel yet, the oldest first. */
  readonly arrived: () => Promise<readonly ArrivedFunds[]>
  /** Has a channel opened; why not, or null where it is under way. */
  readonly open: (funds: ArrivedFunds, peer: string) => Promise<string | null>
  /** Confirmations after which a channel's transaction is final. */
  readonly finality: number
  /** Why nothing is moved now, or null. */
  readonly stopped: () => Promise<string | null>
}

/**
 * The way to Lightning: a batch brings one coin to the wallet of our lnd, and a channel takes all of
 * that coin. The coin is to the channel what the anchor is to a batch: whoever opens whatever how
 * often, only one transaction that spends it can ever confirm.
 */
export function channelBridge(parts: ChannelBridgeParts): Bridge {
  const { need, fill, size } = parts
  const news = newsOnly(parts.log)
  let tries = 0
  return {
    name: 'lightning',
    need,
    fill: async missing => {
      const amount = channelAmount(missing, size)
      if (amount !== null) return fill(amount)
      return { kind: 'nothing', reason: `${missing} sat are too little for a channel` }
    },
    follow: async () => {
      const channels = await parts.view.channels()
      warnOfAbsent(parts, channels, news('peers'))
      for (const funds of await parts.arrived()) {
        const spends = await parts.view.spendsSince(funds.coin)
        if (spends === null) continue
        const sight = sightOf(funds, { spends, channels }, parts.finality)
        await advance(parts, { funds, sight, turn: tries++, news: news(String(funds.batch)) })
      }
    },
  }
}

/** A peer who is away can take no payment of ours. */
function warnOfAbsent(
  { peers }: ChannelBridgeParts,
  channels: Awaited<ReturnType<ChannelView['channels']>>,
  log: Log,
): void {
  const absent = peers.filter(peer => {
    const own = channels.filter(channel => channel.peer === peer)
    return own.length > 0 && !own.some(({ isActive }) => isActive)
  })
  if (absent.length > 0) log.warn({ peers: absent.join(' ') }, 'a peer of ours is away')
  else log.info({}, 'every peer with a channel is there')
}

/** @param turn counts up, so that the peers take turns while one of them is away */
async function advance(
  parts: ChannelBridgeParts,
  at: {
    readonly funds: ArrivedFunds
    readonly sight: ChannelSight
    readonly turn: number
    readonly news: Log
  },
): Promise<void> {
  const { funds, sight, turn, news } = at
  const of = { batch: String(funds.batch), amountSats: String(funds.amount) }
  switch (sight.kind) {
    case 'unspent': {
      const peer = parts.peers[turn % parts.peers.length] ?? ''
      const reason = (await parts.stopped()) ?? (await parts.open(funds, peer))
      if (reason === null) news.info({ ...of, peer }, 'a channel is being opened')
      else news.warn({ ...of, peer, reason }, 'no channel was opened')
      return
    }
    case 'opening':
      return news.info({ ...of, reason: sight.reason }, 'a channel is not open yet')
    case 'open': {
      const { channel } = sight
      const stored = await storeOpened(parts.db, funds, channel, parts.clock.now())
      if (stored.kind === 'overdrawn') return news.error(of, 'more became channels than came')
      const capacitySats = String(channel.capacity)
      return news.info({ ...of, peer: channel.peer, capacitySats }, 'a channel is open')
    }
    default:
      return unreachable(sight)
  }
}
