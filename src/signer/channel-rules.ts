import { z } from 'zod'
import type { OpenRequest } from '../approval/index.ts'
import { parseAddress } from '../lib/bitcoin/address.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import type { ChannelOrder, LndPeer } from '../lib/nodes/lnd-channels-client.ts'
import { readManifest } from './approved.ts'
import { isFrozen, type Standing } from './standing.ts'

const PEERS_MAX = 20
const ADDRESSES_MAX = 20
const FEE_RATE_MAX = 10_000
/** A batch has one payee, so its coin is the first output of each version. */
const PAYEE_VOUT = 0

/** Channels as this host's configuration says them. */
export const channelsSchema = z.strictObject({
  /** Of lnd's own wallet, each learnt from lnd itself. */
  addresses: z.array(z.string()).min(1).max(ADDRESSES_MAX),
  peers: z
    .array(
      z.strictObject({
        publicKey: z.string().regex(/^0[23][0-9a-f]{64}$/, 'a compressed public key'),
        socket: z.string().regex(/^[^\s/]{1,255}:\d{1,5}$/, 'host:port'),
      }),
    )
    .min(1)
    .max(PEERS_MAX),
  feeRateMaxSatPerVb: z.int().min(1).max(FEE_RATE_MAX),
})

/** Where this host lets money go for channels, and to whom it opens them. */
export type ChannelRules = {
  /** Of lnd's own wallet; what the pool calls ours counts for nothing. */
  readonly addresses: ReadonlySet<string>
  readonly peers: ReadonlyMap<string, LndPeer>
  /** What a channel's own transaction may pay at most, in satoshis a virtual byte. */
  readonly feeRateMax: number
}

export type ReadChannels =
  | { readonly kind: 'channels'; readonly channels: ChannelRules }
  | { readonly kind: 'errors'; readonly errors: readonly string[] }

/** Reads what a configuration says of channels. */
export function readChannels(
  { addresses, peers, feeRateMaxSatPerVb }: z.infer<typeof channelsSchema>,
  network: Network,
): ReadChannels {
  const errors = addresses.flatMap((text, index) => {
    const parsed = parseAddress(text, network)
    const isOne = parsed.kind === 'address' && parsed.text === text
    return isOne ? [] : [`lightning.channels.addresses.${index}: no address of ${network}`]
  })
  if (errors.length > 0) return { kind: 'errors', errors }
  return {
    kind: 'channels',
    channels: {
      addresses: new Set(addresses),
      peers: new Map(peers.map(peer => [peer.publicKey, peer])),
      feeRateMax: feeRateMaxSatPerVb,
    },
  }
}

/** What a request to open a channel is worth. */
export type OpenJudgement =
  | { readonly kind: 'open'; readonly order: ChannelOrder }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Judges a request to open a channel. What it may hold was approved and signed before: the batch
 * made one coin in lnd's wallet, and the channel is opened with that coin and no other. A coin is
 * spent once, so whoever asks again, or puts an old memory in place, opens nothing twice; nothing
 * need be remembered of it here.
 */
export function judgeOpen(standing: Standing, request: OpenRequest): OpenJudgement {
  const { channels, memory } = standing
  if (channels === null) return refused('this host opens no channels')
  const read = readManifest(standing, request)
  if (read.kind === 'refused') return read
  if (isFrozen(standing, 'lightning')) return refused('the rail is frozen')
  const { manifest, hash } = read
  if (manifest.version !== 2 || manifest.purpose !== 'channel')
    return refused('the manifest is of no channel')
  const signed = memory.batches.get(String(manifest.batch))
  if (signed?.manifest !== hash) return refused('this host has signed no such batch')
  if (!signed.txids.has(request.txid)) return refused('this host has signed no such version')
  const peer = channels.peers.get(request.peer)
  if (peer === undefined) return refused(`${request.peer} is no peer of this host's list`)
  const { feeRateSatPerVb } = request
  if (feeRateSatPerVb > channels.feeRateMax)
    return refused(`a channel may cost ${channels.feeRateMax} sat a virtual byte at most`)
  return {
    kind: 'open',
    order: { peer, coin: { txid: request.txid, vout: PAYEE_VOUT }, feeRateSatPerVb },
  }
}

function refused(reason: string) {
  return { kind: 'refused', reason } as const
}
