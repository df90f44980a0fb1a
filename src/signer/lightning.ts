import type {
  EndRequest,
  InvoicesRequest,
  LightningReply,
  LightningRequest,
  OpenRequest,
  PayRequest,
  SignerHead,
} from '../approval/index.ts'
import { unreachable } from '../lib/assert.ts'
import type { PaymentHash, Preimage } from '../lib/ids.ts'
import type { LightningAddress } from '../lib/lightning/destination.ts'
import type { Asked } from '../lib/lightning/invoice.ts'
import type { InvoiceOffer } from '../lib/lightning/lnurl-client.ts'
import type { Log } from '../lib/log.ts'
import type { PaymentNews, PaymentOrder } from '../lib/nodes/lnd-client.ts'
import type { Clock } from '../lib/time.ts'
import { judgeOpen } from './channel-rules.ts'
import { judgeEnd, judgePay, type NodeStand } from './lightning-call-rules.ts'
import type { Leaving, Resting } from './lightning-exposure.ts'
import type { OpeningNode, PayingNode } from './lightning-node-client.ts'
import { type InvoiceLine, judgeInvoices, type Offer, takeOffers } from './lightning-rules.ts'
import { inTime, paymentWatch } from './lightning-watch.ts'
import type { Memory } from './memory.ts'
import type { MemoryEvent } from './memory-entry.ts'
import type { Standing } from './standing.ts'

/** What a host needs that pays over Lightning. */
export type LightningParts = {
  readonly node: PayingNode & OpeningNode
  readonly askForInvoice: (
    address: LightningAddress,
    asked: Asked,
    comment: string,
  ) => Promise<InvoiceOffer>
  /** What the payee's server shows, found to be the preimage; null for anything else. */
  readonly askForPreimage: (verifyUrl: string, hash: PaymentHash) => Promise<Preimage | null>
}

type Refusal = { readonly kind: 'refused'; readonly reason: string; readonly head: SignerHead }

/** What the signer lends: its turn, its memory, its judgement of now. */
export type Desk = {
  /** One at a time; trouble with the memory comes back as a refusal. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T | Refusal>
  readonly standing: () => Standing
  readonly memory: () => Memory
  readonly add: (event: MemoryEvent) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/**
 * Gives invoices, calls lnd for them, and ends them. Whatever waits for somebody else, a payee's
 * server or lnd, waits out of turn, and what was found is judged anew in it.
 *
 * What this process alone knows are its open calls, and since when a payment is nowhere:
 * with it both begin anew, and a call ends where its process does. Which payments were made it may
 * forget, too: lnd is asked again when they take the room of others.
 */
export function lightningPayer(
  { node, askForInvoice, askForPreimage }: LightningParts,
  { inTurn, standing, memory, add, clock, log }: Desk,
) {
  const open = new Set<PaymentHash>()
  let seen: ReadonlyMap<string, bigint> = new Map()
  const eachInTime = inTime(clock)
  const watch = paymentWatch({ node, askForPreimage }, { clock, eachInTime, open })
  const head = () => memory().head
  const refusal = (reason: string): Refusal => ({ kind: 'refused', reason, head: head() })

  async function invoices(request: InvoicesRequest): Promise<LightningReply> {
    const judged = await inTurn(async () => {
      const first = judgeInvoices(standing(), request)
      if (first.kind !== 'refused' && first.event !== null) await add(first.event)
      return first
    })
    if (judged.kind === 'refused') return refusal(judged.reason)
    if (judged.kind === 'closed') return { kind: 'closed', head: head() }
    const asks = judged.lines.filter(line => line.kind === 'ask' || line.kind === 'brought')
    const stand = await nodeStand()
    if (stand.kind === 'refused') return refusal(stand.reason)
    const offers = await collect(asks, `batch ${judged.manifest.batch}`)
    return inTurn(async () => {
      const again = judgeInvoices(standing(), request)
      if (again.kind === 'refused') return refusal(again.reason)
      if (again.kind === 'closed') return { kind: 'closed', head: head() }
      const given = takeOffers(standing(), again, { offers, node: stand.node.publicKey })
      if (given.event !== null) await add(given.event)
      return { kind: 'invoices', lines: [...given.lines], head: head() }
    })
  }

  async function collect(
    asks: readonly Extract<InvoiceLine, { kind: 'ask' | 'brought' }>[],
    comment: string,
  ): Promise<ReadonlyMap<number, Offer>> {
    const offers = new Map<number, Offer>()
    await eachInTime(asks, async line => {
      const offer =
        line.kind === 'ask'
          ? await askForInvoice(line.address, line.asked, comment)
          : ({ kind: 'invoice', invoice: line.invoice, verifyUrl: null } as const)
      const complaint = offer.kind === 'none' ? null : await node.decodeComplaint(offer.invoice)
      offers.set(line.payee, complaint === null ? offer : { kind: 'none', reason: complaint })
    })
    return offers
  }

  async function pay(request: PayRequest): Promise<LightningReply> {
    const stand = await nodeStand()
    if (stand.kind === 'refused') return refusal(stand.reason)
    let resting: Resting | null = null
    for (;;) {
      const turn = await payInTurn(request, stand.node, resting)
      if (turn.kind !== 'crowded') return turn
      resting = await watch.restOf(turn.rivals)
    }
  }

  /** @param resting what lnd said of those that took the room; null before it was asked */
  function payInTurn(
    request: PayRequest,
    stand: NodeStand,
    resting: Resting | null,
  ): Promise<LightningReply | { readonly kind: 'crowded'; readonly rivals: readonly Leaving[] }> {
    return inTurn(async () => {
      await notePaid()
      const judged = judgePay(standing(), request, {
        ...{ node: stand, open, resting: resting ?? new Map() },
      })
      if (judged.kind === 'refused') return refusal(judged.reason)
      const { rivals, event, orders, lines } = judged
      if (resting === null && rivals.length > 0) return { kind: 'crowded', rivals }
      if (event !== null) await add(event)
      for (const order of orders) call(order, stand.publicKey)
      return { kind: 'called', lines: [...lines], head: head() }
    })
  }

  /** In one word for each batch, so that a payment takes no line of its own. */
  async function notePaid(): Promise<void> {
    const paid = [...watch.paid]
    const payments = paid.flatMap(hash => memory().lightning.open.get(hash) ?? [])
    for (const [manifest, some] of Map.groupBy(payments, each => each.manifest)) {
      const lines = some.map(({ payee, n }) => ({ payee, n }))
      await add({ kind: 'ln paid', manifest, lines })
    }
    for (const hash of paid) watch.paid.delete(hash)
  }

  /** Judged anew behind the look, since a freeze may have come meanwhile; lnd is waited for out of turn. */
  async function openChannel(request: OpenRequest): Promise<LightningReply> {
    const first = judgeOpen(standing(), request)
    if (first.kind === 'refused') return refusal(first.reason)
    const stand = await nodeStand()
    if (stand.kind === 'refused') return refusal(stand.reason)
    const judged = judgeOpen(standing(), request)
    if (judged.kind === 'refused') return refusal(judged.reason)
    const { peer, coin } = judged.order
    const complaint = await node.open(judged.order)
    log.info({ peer: peer.publicKey, coin: `${coin.txid}:${coin.vout}`, complaint }, 'a channel')
    return complaint === null ? { kind: 'opening', head: head() } : refusal(complaint)
  }

  /** Nobody waits for it: what comes of it is for `track`. */
  function call(order: PaymentOrder, publicKey: string): void {
    const { paymentHash } = order.invoice
    open.add(paymentHash)
    watch.begins(paymentHash)
    node
      .pay(order)
      .then(
        news => {
          if (news.kind === 'payment') noteIndex(publicKey, news.payment.index)
          watch.heard(paymentHash, news)
          log.info({ paymentHash, news: wordsOf(news) }, 'a call of lnd is over')
        },
        error => log.error({ err: error, paymentHash }, 'a call of lnd failed'),
      )
      .finally(() => open.delete(paymentHash))
  }

  async function end(request: EndRequest): Promise<LightningReply> {
    const stand = await nodeStand()
    const about = { node: stand.kind === 'refused' ? null : stand.node, open }
    const first = judgeEnd(standing(), request, { ...about, looks: new Map() })
    if (first.kind === 'refused') return refusal(first.reason)
    const attempts = first.lines.flatMap(line => (line.kind === 'look' ? line.attempt : []))
    const looks = await watch.lookAt(attempts, about.node)
    return inTurn(async () => {
      const judged = judgeEnd(standing(), request, { ...about, looks })
      if (judged.kind === 'refused') return refusal(judged.reason)
      if (judged.event !== null) await add(judged.event)
      const lines = judged.lines.map(line => {
        if (line.kind !== 'look') return line
        const { payee, n } = line
        return { kind: 'alive', payee, n, reason: 'lnd was not asked in time' } as const
      })
      return { kind: 'ended', lines, head: head() }
    })
  }

  async function nodeStand(): Promise<
    | { readonly kind: 'stand'; readonly node: NodeStand }
    | { readonly kind: 'refused'; readonly reason: string }
  > {
    // What is seen while lnd is asked says nothing against what it answers.
    const [before, remembered] = [seen, memory().lightning.newestIndex]
    const look = await node.look()
    if (look.kind !== 'node') return { kind: 'refused', reason: look.reason }
    const { publicKey, isSynced, height, newestIndex } = look
    const known = [before.get(publicKey) ?? 0n, remembered.get(publicKey) ?? 0n]
    const hasForgotten = known.some(index => newestIndex < index)
    noteIndex(publicKey, newestIndex)
    return { kind: 'stand', node: { publicKey, isSynced, height, newestIndex, hasForgotten } }
  }

  function noteIndex(publicKey: string, index: bigint): void {
    if (index > (seen.get(publicKey) ?? 0n)) seen = new Map([...seen, [publicKey, index]])
  }

  return (request: LightningRequest): Promise<LightningReply> => {
    switch (request.ask) {
      case 'invoices':
        return invoices(request)
      case 'pay':
        return pay(request)
      case 'end':
        return end(request)
      case 'open':
        return openChannel(request)
      default:
        return unreachable(request)
    }
  }
}

/** Without the preimage, which is a receipt. */
function wordsOf(news: PaymentNews): string {
  switch (news.kind) {
    case 'payment':
      return news.payment.status
    case 'no answer':
      return news.reason
    case 'known already':
    case 'not found':
      return news.kind
    default:
      return unreachable(news)
  }
}
