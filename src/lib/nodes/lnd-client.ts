import { fromHex } from '../bytes.ts'
import type { PaymentHash } from '../ids.ts'
import type { Bolt11 } from '../lightning/bolt11.ts'
import type { Millisats } from '../money.ts'
import { type LndCall, type LndConnection, LndError } from './lnd-grpc-client.ts'
import {
  balanceReply,
  channelsReply,
  decodedReply,
  infoReply,
  type LndChannel,
  type LndInfo,
  type LndLiquidity,
  type LndPayment,
  paymentReply,
  paymentsReply,
} from './lnd-replies.ts'
import { NodeUnreachable } from './post-client.ts'

/** What lnd may do for one invoice. Every bound is sent: each has a default that is none. */
export type PaymentOrder = {
  readonly invoice: Bolt11
  /** Without one lnd would pay any; 0 takes ways that are free. */
  readonly feeMax: Millisats
  /** Into how many parts the amount may be cut. */
  readonly partsMax: number
  /** Blocks from now in which whatever was sent has come back, or was paid. */
  readonly timelockBlocksMax: number
  /** Whole seconds, 1 at least, in which new ways are tried. */
  readonly trySeconds: number
}

/** What was heard of a payment. None of it decides anything: `evidence` does. */
export type PaymentNews =
  | { readonly kind: 'payment'; readonly payment: LndPayment }
  /** lnd has a payment by this hash, and does not say here how it stands. */
  | { readonly kind: 'known already' }
  /** lnd knows of no payment by this hash. */
  | { readonly kind: 'not found' }
  | { readonly kind: 'no answer'; readonly reason: string }

/**
 * What is asked of lnd, each reply parsed. `pay` and `track` throw nothing that lnd or the network
 * is the cause of; the others throw LndError and NodeUnreachable.
 */
export type LndClient = {
  readonly info: () => Promise<LndInfo>
  readonly liquidity: () => Promise<LndLiquidity>
  readonly channels: () => Promise<readonly LndChannel[]>
  /** Of the payment begun last, 0 before one: a node whose count went back has lost its memory. */
  readonly newestPaymentIndex: () => Promise<bigint>
  /** How lnd itself reads an invoice. */
  readonly decode: (
    invoice: Bolt11,
  ) => Promise<Pick<Bolt11, 'payee'> & { paymentHash: string; amount: Millisats }>
  /** How a payment stands now. */
  readonly track: (hash: PaymentHash) => Promise<PaymentNews>
  /**
   * Pays once, and waits for the end of it for a while longer than new ways are tried. Its hash must
   * be on disk before. A payment of a hash that failed begins anew, so call it once for each time
   * that was written down.
   */
  readonly pay: (order: PaymentOrder) => Promise<PaymentNews>
}

/** What an interrupted payment comes to was looked at with this lnd, and with no other. */
const VERSION = /^0\.20\.1-beta( |$)/

/** Why nothing is paid by such an lnd, or null. */
export function lndMisfit(info: LndInfo, network: string): string | null {
  if (info.network !== network) return `lnd is on ${info.network}, not on ${network}`
  return VERSION.test(info.version) ? null : 'lnd is not v0.20.1-beta'
}

const CALL_MS_MAX = 15_000
/** After the last way was tried, a part may still be on its way: it is asked for later then. */
const END_MS_MAX = 5000
const NOT_FOUND = 5
const ALREADY_EXISTS = 6

/** The calls that the macaroons of docs/lightning.md allow, and no others. */
export function lndClient(connection: LndConnection): LndClient {
  const call = (method: string, request: object = {}): LndCall => ({
    ...{ service: 'default', method, request, timeoutMs: CALL_MS_MAX },
  })
  return {
    info: () => connection.call(infoReply, call('getInfo')),
    liquidity: () => connection.call(balanceReply, call('channelBalance')),
    async channels() {
      return (await connection.call(channelsReply, call('listChannels'))).channels
    },
    async newestPaymentIndex() {
      const newest = { include_incomplete: true, reversed: true, max_payments: '1' }
      const { payments } = await connection.call(paymentsReply, call('listPayments', newest))
      return payments[0]?.index ?? 0n
    },
    decode: ({ text }) => connection.call(decodedReply, call('decodePayReq', { pay_req: text })),
    track: hash =>
      news(connection, 'first', {
        ...{ service: 'router', method: 'trackPaymentV2', timeoutMs: CALL_MS_MAX },
        request: { payment_hash: fromHex(hash), no_inflight_updates: false },
      }),
    pay: order =>
      news(connection, 'last', {
        ...{ service: 'router', method: 'sendPaymentV2', request: payRequest(order) },
        timeoutMs: 1000 * order.trySeconds + END_MS_MAX,
      }),
  }
}

/** Source: lnd, routerrpc/router.proto `SendPaymentRequest`. */
function payRequest({ invoice, feeMax, partsMax, timelockBlocksMax, trySeconds }: PaymentOrder) {
  return {
    payment_request: invoice.text,
    fee_limit_msat: feeMax.toString(),
    max_parts: partsMax,
    cltv_limit: timelockBlocksMax,
    timeout_seconds: trySeconds,
    // Where we are gone, what is on its way comes to its end and nothing new is tried.
    cancelable: true,
    allow_self_payment: false,
    no_inflight_updates: false,
  }
}

async function news(
  connection: LndConnection,
  wanted: 'first' | 'last',
  call: LndCall,
): Promise<PaymentNews> {
  try {
    for await (const payment of connection.watch(paymentReply, call)) {
      const isEnd = payment.status === 'succeeded' || payment.status === 'failed'
      if (isEnd || wanted === 'first') return { kind: 'payment', payment }
    }
    return { kind: 'no answer', reason: 'lnd ended the call before the payment' }
  } catch (error) {
    if (error instanceof NodeUnreachable) return { kind: 'no answer', reason: error.message }
    if (!(error instanceof LndError)) throw error
    if (error.code === ALREADY_EXISTS) return { kind: 'known already' }
    if (error.code === NOT_FOUND) return { kind: 'not found' }
    return { kind: 'no answer', reason: `lnd said: ${error.message}` }
  }
}
