import { z } from 'zod'
import { MAX_MONEY_SATS, type Millisats, millisats } from '../money.ts'

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
  route: z.object({ total_time_lock: z.int().min(0) }),
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
