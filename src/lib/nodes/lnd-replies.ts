import { z } from 'zod'
import { toHex } from '../bytes.ts'
import { type Txid, txid } from '../ids.ts'
import { MAX_MONEY_SATS, type Millisats, millisats, type Sats, sats } from '../money.ts'

/** How far lnd has come with a payment, in its own order. */
export type LndPaymentStatus = 'initiated' | 'in flight' | 'succeeded' | 'failed'

/** A payment as lnd has it on disk. */
export type LndPayment = {
  /** Hex, as all hashes and preimages here. */
  readonly paymentHash: string
  readonly status: LndPaymentStatus
  /** Without the fee. */
  readonly amount: Millisats
  readonly fee: Millisats
  /** Zeros before it is known. */
  readonly preimage: string
  /** Parts on their way, whatever the status says. */
  readonly unresolvedHtlcs: number
  /** The height at which the last of them comes back by itself; null where none is on its way. */
  readonly untilHeight: number | null
  /** The channels of ours by which they left, by lnd's own ids, one for each of them. */
  readonly firstHops: readonly string[]
  /** Counts up with every payment that the node begins. */
  readonly index: bigint
}

export type LndInfo = {
  readonly publicKey: string
  readonly version: string
  /** `mainnet`, `testnet4`, `signet`, `regtest` … */
  readonly network: string
  readonly height: number
  /** Whether it has seen all blocks, and knows the ways of others. */
  readonly isSynced: boolean
  readonly activeChannels: number
}

/** What the channels hold. */
export type LndLiquidity = {
  /** Ours; what a payment can carry at once is less. */
  readonly outbound: Millisats
  readonly inbound: Millisats
  /** No longer in `outbound`: in parts that are on their way, and come back or stay away. */
  readonly leaving: Millisats
  /** Ours, in channels that are not open yet. */
  readonly opening: Millisats
}

/** A coin of lnd's own wallet, or the output of a channel. */
export type LndCoin = { readonly txid: Txid; readonly vout: number }

/** A channel that both sides take for open. */
export type LndChannel = {
  /** lnd's own, as in the ways of payments. */
  readonly id: string
  readonly coin: LndCoin
  readonly peer: string
  readonly capacity: Sats
  /** Whether its peer is there now, and both have said to each other how they stand. */
  readonly isActive: boolean
  /** The hashes of the parts of payments on our commitment, in hex. */
  readonly carries: readonly string[]
  /** For how long lnd has watched it: since it was started, or since it opened the channel. */
  readonly watchedMs: number
}

const STATUSES = {
  INITIATED: 'initiated',
  IN_FLIGHT: 'in flight',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
} as const

const integer = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(text => BigInt(text))
const msat = integer
  .refine(value => value <= 1000n * MAX_MONEY_SATS)
  .transform(value => millisats(value))
const hex = z.string().regex(/^[0-9a-f]{64}$/)
const htlc = z.object({
  status: z.enum(['IN_FLIGHT', 'SUCCEEDED', 'FAILED']),
  route: z.object({
    total_time_lock: z.int().min(0),
    hops: z.array(z.object({ chan_id: z.string().regex(/^\d{1,20}$/) })).min(1),
  }),
})

/** Source: lnd, lnrpc/lightning.proto `Payment`. A status that is none of these is no reply. */
export const paymentReply = z
  .object({
    ...{ payment_hash: hex, payment_preimage: hex, value_msat: msat, fee_msat: msat },
    status: z.enum(['INITIATED', 'IN_FLIGHT', 'SUCCEEDED', 'FAILED']),
    htlcs: z.array(htlc),
    payment_index: integer,
  })
  .transform((said): LndPayment => {
    const unresolved = said.htlcs.filter(({ status }) => status === 'IN_FLIGHT')
    const heights = unresolved.map(({ route }) => route.total_time_lock)
    return {
      paymentHash: said.payment_hash,
      status: STATUSES[said.status],
      amount: said.value_msat,
      fee: said.fee_msat,
      preimage: said.payment_preimage,
      unresolvedHtlcs: unresolved.length,
      untilHeight: heights.length === 0 ? null : Math.max(...heights),
      firstHops: unresolved.flatMap(({ route }) => route.hops[0]?.chan_id ?? []),
      index: said.payment_index,
    }
  })

/** Source: lnd, lnrpc/lightning.proto `ListPaymentsResponse`. */
export const paymentsReply = z.object({ payments: z.array(paymentReply) })

/** Source: lnd, lnrpc/lightning.proto `GetInfoResponse`. */
export const infoReply = z
  .object({
    ...{ identity_pubkey: z.string().regex(/^0[23][0-9a-f]{64}$/), version: z.string() },
    ...{ block_height: z.int().min(0), num_active_channels: z.int().min(0) },
    ...{ synced_to_chain: z.boolean(), synced_to_graph: z.boolean() },
    chains: z.array(z.object({ network: z.string() })).length(1),
  })
  .transform(
    (said): LndInfo => ({
      publicKey: said.identity_pubkey,
      version: said.version,
      network: said.chains[0]?.network ?? '',
      height: said.block_height,
      isSynced: said.synced_to_chain && said.synced_to_graph,
      activeChannels: said.num_active_channels,
    }),
  )

const amount = z.object({ msat })

/** Source: lnd, lnrpc/lightning.proto `ChannelBalanceResponse`. */
export const balanceReply = z
  .object({
    ...{ local_balance: amount, remote_balance: amount },
    ...{ unsettled_remote_balance: amount, pending_open_local_balance: amount },
  })
  .transform(
    (said): LndLiquidity => ({
      outbound: said.local_balance.msat,
      inbound: said.remote_balance.msat,
      // lnd counts what leaves with the side that will have it.
      leaving: said.unsettled_remote_balance.msat,
      opening: said.pending_open_local_balance.msat,
    }),
  )

/** Source: lnd, lnrpc/lightning.proto `PayReq`. */
export const decodedReply = z
  .object({ ...{ payment_hash: hex, num_msat: msat, destination: z.string() } })
  .transform(said => ({
    ...{ paymentHash: said.payment_hash, amount: said.num_msat, payee: said.destination },
  }))

/** Whole satoshis as lnd writes them. */
export const satsReply = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(BigInt)
  .refine(value => value <= MAX_MONEY_SATS)
  .transform(sats)

/** An outpoint as lnd writes it. */
export const coinReply = z
  .string()
  .regex(/^[0-9a-f]{64}:\d{1,10}$/)
  .transform((text): LndCoin => {
    const [id = '', vout = ''] = text.split(':')
    return { txid: txid(id), vout: Number(vout) }
  })

/** Source: lnd, lnrpc/lightning.proto `Channel`; `lifetime` is in seconds, 0 before lnd watches. */
export const channelsReply = z.object({
  channels: z.array(
    z
      .object({
        ...{ chan_id: z.string().regex(/^\d{1,20}$/), channel_point: coinReply },
        remote_pubkey: z.string().regex(/^0[23][0-9a-f]{64}$/),
        ...{ capacity: satsReply, active: z.boolean() },
        pending_htlcs: z.array(z.object({ hash_lock: z.instanceof(Uint8Array) })),
        lifetime: z.string().regex(/^\d{1,12}$/),
      })
      .transform(
        (said): LndChannel => ({
          id: said.chan_id,
          coin: said.channel_point,
          peer: said.remote_pubkey,
          capacity: said.capacity,
          isActive: said.active,
          carries: said.pending_htlcs.map(({ hash_lock }) => toHex(hash_lock)),
          watchedMs: 1000 * Number(said.lifetime),
        }),
      ),
  ),
})
