import type { HealthPart } from '../api/index.ts'
import {
  bridgeJobs,
  type ChannelView,
  channelBridge,
  floatRuleOf,
  shortage,
} from '../bridges/index.ts'
import type { Config } from '../config.ts'
import type { UnixMs } from '../lib/ids.ts'
import type { Job } from '../lib/job-runner.ts'
import { ceilDiv } from '../lib/money.ts'
import { type LndChannelsClient, lndChannelsClient } from '../lib/nodes/lnd-channels-client.ts'
import { type LndClient, lndClient } from '../lib/nodes/lnd-client.ts'
import type { LndConnection } from '../lib/nodes/lnd-grpc-client.ts'
import {
  channelFunds,
  channelOpener,
  currentRate,
  type FloatWallet,
  lightningNeed,
  type OwnBatchParts,
  planOwnBatch,
  type SignerClient,
} from '../payouts/index.ts'
import type { Setting } from './role.ts'

/** What of a setting channels are filled by. */
type ChannelSetting = Pick<Setting, 'db' | 'clock' | 'log'> & {
  readonly config: Pick<Config, 'bridges'> & {
    readonly rails: { readonly l1: Pick<Config['rails']['l1'], 'finalityDepth'> }
  }
}

/**
 * What fills channels and follows them until they are float; none without a bridge.
 *
 * @param parts what planning own batches takes
 * @param connection to our lnd, by the macaroon that can only look
 */
export function channelBridgeJobs(
  { config, db, clock, log }: ChannelSetting,
  parts: OwnBatchParts,
  { signer, connection }: { readonly signer: SignerClient; readonly connection: LndConnection },
): readonly Job[] {
  const lightning = config.bridges?.lightning
  if (!lightning) return []
  const { peers, channel, refill } = lightning
  const open = channelOpener({ db, client: signer, clock })
  const [hot] = parts.wallets
  const stopped = async () => (await parts.frozen('l1')) ?? (await parts.frozen('lightning'))
  const bridge = channelBridge({
    ...{ db, clock, log, peers, stopped },
    size: { atLeast: channel.atLeastSats, atMost: channel.atMostSats },
    finality: config.rails.l1.finalityDepth,
    view: channelView(parts.wallets, lndClient(connection), lndChannelsClient(connection)),
    need: () => lightningNeed(db, clock.now()),
    fill: amount =>
      planOwnBatch(
        parts,
        { kind: 'channel', from: refill?.from ?? 'hot', amount },
        { kind: 'plan' },
      ),
    arrived: () => channelFunds(db),
    open: async ({ coin, manifest }, peer) => {
      if (hot === undefined) return 'there is no wallet'
      const rate = await currentRate(parts, hot.client)
      const feeRate = rate < parts.feeRateMax ? rate : parts.feeRateMax
      const feeRateSatPerVb = Number(ceilDiv(feeRate, 1000n))
      return open({ manifest, txid: coin.txid, peer, feeRateSatPerVb })
    },
  })
  return bridgeJobs({ bridge, rule: floatRuleOf(refill), stopped, log })
}

/** The page is for everyone, and what is owed is a sum over every account. */
const HEALTH_EVERY_MS = 60_000

/** Whether the channels can pay what is owed over Lightning; nothing where no bridge fills them. */
export function channelHealth({
  config,
  db,
  clock,
}: Pick<Setting, 'db' | 'clock'> & {
  readonly config: Pick<Config, 'bridges'>
}): Record<string, () => Promise<HealthPart>> {
  const lightning = config.bridges?.lightning
  if (!lightning) return {}
  let newest: { readonly at: UnixMs; readonly part: Promise<HealthPart> } | null = null
  const look = async () => {
    const need = await lightningNeed(db, clock.now())
    const short = shortage(need, floatRuleOf(lightning.refill))
    return { ok: short === null, detail: short ?? `the float holds ${need.float} sat` }
  }
  return {
    channels: () => {
      const now = clock.now()
      if (newest === null || now - newest.at >= HEALTH_EVERY_MS) newest = { at: now, part: look() }
      return newest.part
    },
  }
}

/** A coin that lnd has not seen yet is nothing that it says of a coin. */
function channelView(
  wallets: readonly FloatWallet[],
  client: LndClient,
  channels: LndChannelsClient,
): ChannelView {
  return {
    channels: client.channels,
    spendsSince: async ({ txid }) => {
      // The wallet that paid it knows it, and the tip is asked for first: a block too many is harmless.
      const looks = wallets.map(async ({ client }) => {
        const { blocks } = await client.chain()
        const depth = await client.depthOf(txid)
        return depth > 0 ? [blocks - depth + 1] : []
      })
      const [since] = (await Promise.all(looks)).flat()
      if (since === undefined) return null
      const { height } = await client.info()
      return height < since ? null : channels.transactionsFrom(since)
    },
  }
}
