import { z } from 'zod'
import { fromHex } from '../bytes.ts'
import { type Txid, txid } from '../ids.ts'
import type { Sats } from '../money.ts'
import { type LndCall, type LndConnection, LndError } from './lnd-grpc-client.ts'
import { coinReply, type LndCoin, satsReply } from './lnd-replies.ts'

/** Who a channel is opened to, and where he is. */
export type LndPeer = { readonly publicKey: string; readonly socket: string }

/** A channel that is to hold all of one coin. */
export type ChannelOrder = {
  readonly peer: LndPeer
  readonly coin: LndCoin
  readonly feeRateSatPerVb: number
}

/** A transaction of lnd's own wallet. */
export type LndTransaction = {
  readonly txid: Txid
  readonly confirmations: number
  readonly spends: readonly LndCoin[]
  readonly outputs: readonly { readonly vout: number; readonly amount: Sats }[]
}

/** What is asked of lnd about channels. All throw LndError and NodeUnreachable. */
export type LndChannelsClient = {
  /** Transactions of lnd's wallet from that height on, and those that no block has. */
  readonly transactionsFrom: (height: number) => Promise<readonly LndTransaction[]>
  /** Sees to it that a peer is connected; harmless where it is. */
  readonly connect: (peer: LndPeer) => Promise<void>
  /**
   * Opens a channel by a transaction whose only input is the order's coin, so that two of them can
   * never both confirm. Nothing is pushed to the other side. Without an answer it may be opening.
   */
  readonly open: (order: ChannelOrder) => Promise<void>
}

const CALL_MS_MAX = 15_000
/** A peer that is not there is found out about; a channel takes three messages of each side. */
const CONNECT_SECONDS = 8
const OPEN_MS_MAX = 25_000

const hash = z.string().regex(/^[0-9a-f]{64}$/)

/** Source: lnd, lnrpc/lightning.proto `TransactionDetails`. */
const transactionsReply = z.object({
  transactions: z.array(
    z
      .object({
        tx_hash: hash.transform(txid),
        num_confirmations: z.int().min(0),
        output_details: z.array(
          z.object({ output_index: z.string().regex(/^\d{1,10}$/), amount: satsReply }),
        ),
        previous_outpoints: z.array(z.object({ outpoint: coinReply })),
      })
      .transform(
        (said): LndTransaction => ({
          txid: said.tx_hash,
          confirmations: said.num_confirmations,
          spends: said.previous_outpoints.map(({ outpoint }) => outpoint),
          outputs: said.output_details.map(out => ({
            vout: Number(out.output_index),
            amount: out.amount,
          })),
        }),
      ),
  ),
})

/** The calls that the macaroons of docs/lightning.md allow where the pool opens channels. */
export function lndChannelsClient(connection: LndConnection): LndChannelsClient {
  const call = (method: string, request: object, timeoutMs = CALL_MS_MAX): LndCall => ({
    ...{ service: 'default', method, request, timeoutMs },
  })
  return {
    async transactionsFrom(height) {
      const range = { start_height: height, end_height: -1 }
      return (await connection.call(transactionsReply, call('getTransactions', range))).transactions
    },
    async connect({ publicKey, socket }) {
      const addr = { pubkey: publicKey, host: socket }
      // Not for ever, which would answer at once: lnd itself comes back to whom it has channels with.
      const request = { addr, perm: false, timeout: String(CONNECT_SECONDS) }
      try {
        await connection.call(z.unknown(), call('connectPeer', request))
      } catch (error) {
        // It has no code of its own. Source: lnd, server.go `errPeerAlreadyConnected`.
        if (!(error instanceof LndError && /already connected/.test(error.message))) throw error
      }
    },
    async open(order) {
      await connection.call(z.unknown(), call('openChannelSync', openRequest(order), OPEN_MS_MAX))
    },
  }
}

/** Source: lnd, lnrpc/lightning.proto `OpenChannelRequest`. */
function openRequest({ peer, coin, feeRateSatPerVb }: ChannelOrder) {
  return {
    node_pubkey: fromHex(peer.publicKey),
    // All of that coin, and no other: what is too much for a channel goes back to the wallet.
    outpoints: [{ txid_str: coin.txid, output_index: coin.vout }],
    ...{ fund_max: true, push_sat: '0', sat_per_vbyte: String(feeRateSatPerVb) },
    // Nobody else's payments go through it: what it holds changes by our payouts alone.
    ...{ private: true, min_confs: 1, spend_unconfirmed: false },
  }
}
