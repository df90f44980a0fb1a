import type { Network } from '../lib/bitcoin/network.ts'
import type { Bolt11 } from '../lib/lightning/bolt11.ts'
import type { ChannelOrder, LndChannelsClient } from '../lib/nodes/lnd-channels-client.ts'
import { type LndClient, lndMisfit } from '../lib/nodes/lnd-client.ts'
import { LndError } from '../lib/nodes/lnd-grpc-client.ts'
import type { LndChannel } from '../lib/nodes/lnd-replies.ts'
import { NodeUnreachable } from '../lib/nodes/post-client.ts'

/** How an lnd stands, or why nothing is done with it. */
export type NodeLook =
  | {
      readonly kind: 'node'
      readonly publicKey: string
      readonly isSynced: boolean
      readonly height: number
      readonly newestIndex: bigint
    }
  /** It does not answer, or not this host. */
  | { readonly kind: 'away'; readonly reason: string }
  /** It is none that this host pays by. */
  | { readonly kind: 'unfit'; readonly reason: string }

/** The lnd that this host pays by. Nothing of it throws for what lnd or the network is the cause of. */
export type PayingNode = Pick<LndClient, 'track' | 'pay'> & {
  readonly look: () => Promise<NodeLook>
  /** Null where it does not show them. */
  readonly channels: () => Promise<readonly LndChannel[] | null>
  /** Why lnd would not pay what we read in an invoice, or null. */
  readonly decodeComplaint: (invoice: Bolt11) => Promise<string | null>
}

/** The same lnd where channels are opened. Nothing of it throws either. */
export type OpeningNode = {
  /** Why no channel is being opened, or null where one is. */
  readonly open: (order: ChannelOrder) => Promise<string | null>
}

export function openingNode({ connect, open }: LndChannelsClient): OpeningNode {
  return {
    open: async order => {
      try {
        await connect(order.peer)
        await open(order)
        return null
      } catch (error) {
        return `lnd opened no channel: ${reasonOf(error)}`
      }
    },
  }
}

export function payingNode(lnd: LndClient, network: Network): PayingNode {
  return {
    track: lnd.track,
    pay: lnd.pay,
    look: async () => {
      try {
        const [info, newestIndex] = await Promise.all([lnd.info(), lnd.newestPaymentIndex()])
        const { publicKey, isSynced, height } = info
        const misfit = lndMisfit(info, network)
        if (misfit !== null) return { kind: 'unfit', reason: misfit }
        return { kind: 'node', publicKey, isSynced, height, newestIndex }
      } catch (error) {
        return { kind: 'away', reason: `lnd cannot be asked: ${reasonOf(error)}` }
      }
    },
    channels: async () => {
      try {
        return await lnd.channels()
      } catch (error) {
        // A defect of ours is thrown on.
        reasonOf(error)
        return null
      }
    },
    decodeComplaint: async invoice => {
      try {
        const { paymentHash, amount, payee } = await lnd.decode(invoice)
        const isSame = paymentHash === invoice.paymentHash && payee === invoice.payee
        return isSame && amount === invoice.amount ? null : 'lnd reads another invoice in it'
      } catch (error) {
        return `lnd does not read the invoice: ${reasonOf(error)}`
      }
    },
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof LndError || error instanceof NodeUnreachable) return error.message
  throw error
}
