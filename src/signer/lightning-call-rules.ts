import { CALLS_OPEN_MAX, type EndRequest, type PayRequest } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { PaymentHash, Preimage } from '../lib/ids.ts'
import { parseBolt11 } from '../lib/lightning/bolt11.ts'
import { judgeAttempt } from '../lib/lightning/evidence.ts'
import { exposureOf } from '../lib/lightning/exposure.ts'
import { heldBlocks } from '../lib/lightning/invoice.ts'
import type { Way } from '../lib/lightning/way.ts'
import { millisats } from '../lib/money.ts'
import type { PaymentNews, PaymentOrder } from '../lib/nodes/lnd-client.ts'
import { type Leaving, leavingOf, type Resting } from './lightning-exposure.ts'
import { type LightningBatch, type LiveAttempt, nextAttempt } from './lightning-memory.ts'
import { type Place, repeatComplaint } from './lightning-rules.ts'
import type { MemoryEvent } from './memory-entry.ts'
import { isFrozen, type Standing, standingComplaint, timeOf } from './standing.ts'

/** An invoice that ends sooner would end while its first way is tried. */
const TIME_LEFT_MS_MIN = 60_000
/** Large payouts find a way in parts; more of them only pay more fees of their own. */
const PARTS_MAX = 16
/** What the hops between may hold the money for, beside its payee: three days. */
const WAY_BLOCKS_MAX = 432
/** lnd has tried every way of note by then; a later call may find others. */
const TRY_SECONDS = 30

/** How the node that pays stands, as it said a moment ago. */
export type NodeStand = {
  readonly publicKey: string
  readonly isSynced: boolean
  readonly height: number
  /** Of the payment that it began last. */
  readonly newestIndex: bigint
  /** Whether it had begun more payments before: it was restored, and knows no past. */
  readonly hasForgotten: boolean
}

/** What this process alone knows. */
export type OpenCalls = ReadonlySet<PaymentHash>

type Refused = { readonly kind: 'refused'; readonly reason: string }

/** What a request to pay is worth. */
export type PayJudgement =
  | {
      readonly kind: 'called'
      /** To be remembered before lnd is called; null where nothing is. */
      readonly event: MemoryEvent | null
      readonly orders: readonly PaymentOrder[]
      readonly lines: readonly CallLine[]
      /** What takes the room of a line that was refused; lnd may know that it has ended. */
      readonly rivals: readonly Leaving[]
    }
  | Refused
export type CallLine = Place &
  (
    | { readonly kind: 'called' }
    | { readonly kind: 'refused'; readonly reason: string }
    /** Whatever line it were. */
    | { readonly kind: 'no room'; readonly reason: string }
  )

/**
 * Judges a request to pay. The approval was judged when the invoice was given, and holds until the
 * manifest expires; what is judged here is that this very attempt may be called once more.
 */
export function judgePay(
  standing: Standing,
  request: PayRequest,
  {
    node,
    open,
    resting,
  }: { readonly node: NodeStand; readonly open: OpenCalls; readonly resting: Resting },
): PayJudgement {
  const complaint =
    standingComplaint(standing, request.head) ??
    (isFrozen(standing, 'lightning') ? 'the rail is frozen' : null) ??
    repeatComplaint(request.lines) ??
    nodeComplaint(node)
  if (complaint !== null) return refused(complaint)
  const batch = standing.memory.lightning.batches.get(request.manifestHash)
  if (batch === undefined) return refused('this host knows no such manifest')
  const calls: Extract<MemoryEvent, { kind: 'ln calls' }>['lines'] = []
  const orders: PaymentOrder[] = []
  const leaving = [...leavingOf(standing.memory.lightning, resting, open)]
  const rivals = new Set<Leaving>()
  const lines = request.lines.map((line): CallLine => {
    const { payee, n, call, feeMaxMsat } = line
    const judged = judgeCall(standing, { batch, line, node, open, leaving, begun: orders.length })
    if (judged.kind === 'no room') return { kind: 'no room', payee, n, reason: judged.reason }
    if (judged.kind === 'refused') {
      for (const rival of judged.rivals ?? []) rivals.add(rival)
      return { kind: 'refused', payee, n, reason: judged.reason }
    }
    if (judged.kind === 'call') {
      calls.push({ payee, n, call, feeMaxMsat })
      orders.push(judged.order)
      leaving.push(judged.leaves)
    }
    return { kind: 'called', payee, n }
  })
  const { publicKey, newestIndex } = node
  const about = { manifest: request.manifestHash, node: publicKey, newestIndex }
  const event = { kind: 'ln calls', ...about, lines: calls } as const
  return {
    kind: 'called',
    event: calls.length > 0 ? event : null,
    orders,
    lines,
    rivals: [...rivals],
  }
}

function nodeComplaint({ isSynced, hasForgotten }: NodeStand): string | null {
  if (hasForgotten) return 'this lnd has lost payments that it had'
  return isSynced ? null : 'lnd has not seen all blocks and channels yet'
}

function judgeCall(
  standing: Standing,
  asked: {
    readonly batch: LightningBatch
    readonly line: PayRequest['lines'][number]
    readonly node: NodeStand
    readonly open: OpenCalls
    readonly leaving: readonly Leaving[]
    /** Calls that begin by the same request. */
    readonly begun: number
  },
):
  | { readonly kind: 'call'; readonly order: PaymentOrder; readonly leaves: Leaving }
  | { readonly kind: 'known' }
  | { readonly kind: 'no room'; readonly reason: string }
  | (Refused & { readonly rivals?: readonly Leaving[] }) {
  const { batch, line, node, open, leaving, begun } = asked
  const state = batch.lines.get(line.payee)
  if (state === undefined || state.n !== line.n)
    return refused(`attempt ${line.n} is not the newest of its line`)
  if (state.kind === 'ended') return refused(`attempt ${line.n} has ended`)
  if (state.paymentHash !== line.paymentHash) return refused('its invoice has another hash')
  // The reply to the request before was lost.
  if (line.call === state.calls) return { kind: 'known' }
  if (line.call !== state.calls + 1) return refused(`its next call is ${state.calls + 1}`)
  if (open.has(state.paymentHash)) return refused('a call of it is open')
  const now = timeOf(standing)
  if (now >= batch.expiresAt) return refused('its manifest has expired')
  if (state.node !== node.publicKey) return refused('its invoice was given for another lnd')
  if (line.feeMaxMsat > 1000n * state.feeMax)
    return refused(`its fee is at most ${state.feeMax} sat`)
  const order = orderOf(state, line.feeMaxMsat)
  if (order === null || order.invoice.expiresAt - now < TIME_LEFT_MS_MIN)
    return refused('its invoice expires')
  if (open.size + begun >= CALLS_OPEN_MAX)
    return { kind: 'no room', reason: 'too many calls are open' }
  const destination = batch.destinations[line.payee]
  assert(destination !== undefined, 'destinations are kept until their manifest expires')
  const { paymentHash, amount } = state
  const leaves = { paymentHash, destination, amount, payeeKey: order.invoice.payee, calls: 0 }
  const others = leaving.filter(each => each.paymentHash !== paymentHash)
  const exposure = exposureOf(leaves, others)
  if (exposure.kind === 'too much') return { ...refused(exposure.reason), rivals: exposure.rivals }
  return { kind: 'call', order, leaves }
}

function orderOf({ invoice: text }: LiveAttempt, feeMaxMsat: bigint): PaymentOrder | null {
  const parsed = text === null ? null : parseBolt11(text)
  if (parsed?.kind !== 'invoice') return null
  const { invoice } = parsed
  return {
    ...{ invoice, feeMax: millisats(feeMaxMsat), partsMax: PARTS_MAX },
    ...{ timelockBlocksMax: heldBlocks(invoice) + WAY_BLOCKS_MAX, trySeconds: TRY_SECONDS },
  }
}

/** What lnd was heard to say of an attempt, while no call of it was open. */
export type Look = {
  readonly news: PaymentNews
  /** How often it had been called when lnd was asked. */
  readonly calls: number
  readonly way: Way
  /** For how long every look-up that told anything has said that it is nowhere. */
  readonly goneMs: number
  /** What the payee's server shows, where lnd can say nothing of it; null where that is nothing. */
  readonly shown: Preimage | null
}

/** What a request to end attempts is worth. */
export type EndJudgement =
  | {
      readonly kind: 'ended'
      /** To be remembered before it is said; null where it was. */
      readonly event: MemoryEvent | null
      readonly lines: readonly EndLine[]
    }
  | Refused
export type EndLine = Place &
  (
    | { readonly kind: 'ended' }
    /** With what only the payee's server shows of a payment. */
    | { readonly kind: 'alive'; readonly reason: string; readonly preimage?: Preimage }
    /** lnd is to be asked. */
    | { readonly kind: 'look'; readonly attempt: LiveAttempt }
  )

/**
 * Judges a request to end attempts: also of a rail that is frozen, since nothing leaves by it.
 *
 * @param looks by payment hash, what was heard since lnd was asked for this request
 * @param node null where it does not answer
 */
export function judgeEnd(
  standing: Standing,
  request: EndRequest,
  about: {
    readonly looks: ReadonlyMap<PaymentHash, Look>
    readonly node: NodeStand | null
    readonly open: OpenCalls
  },
): EndJudgement {
  const complaint = standingComplaint(standing, request.head) ?? repeatComplaint(request.lines)
  if (complaint !== null) return refused(complaint)
  const { memory } = standing
  const { manifestHash: manifest } = request
  const batch = memory.lightning.batches.get(manifest)
  if (batch === undefined) {
    if (!memory.closed.has(manifest)) return refused('this host knows no such manifest')
    const lines = request.lines.map(({ payee, n }) => ({ kind: 'ended', payee, n }) as const)
    return { kind: 'ended', event: null, lines }
  }
  const isOver = timeOf(standing) >= batch.expiresAt
  const ended: { payee: number; n: number; isLast: boolean }[] = []
  const lines = request.lines.map(({ payee, n, isLast }): EndLine => {
    const judged = judgeDeath(batch, { payee, n, isLast, isOver }, about)
    if (judged === 'ended before') return { kind: 'ended', payee, n }
    if (judged !== 'ends') return { payee, n, ...judged }
    ended.push({ payee, n, isLast })
    return { kind: 'ended', payee, n }
  })
  const event = { kind: 'ln ended', manifest, lines: ended } as const
  return { kind: 'ended', event: ended.length > 0 ? event : null, lines }
}

function judgeDeath(
  batch: LightningBatch,
  { payee, n, isLast, isOver }: Place & { readonly isLast: boolean; readonly isOver: boolean },
  { looks, node, open }: Parameters<typeof judgeEnd>[2],
):
  | 'ended before'
  | 'ends'
  | { readonly kind: 'alive'; readonly reason: string; readonly preimage?: Preimage }
  | { readonly kind: 'look'; readonly attempt: LiveAttempt } {
  const state = batch.lines.get(payee)
  const alive = (reason: string) => ({ kind: 'alive', reason }) as const
  if (state !== undefined && n < state.n)
    return isLast ? alive('a later one was given') : 'ended before'
  if (n === state?.n && state.kind === 'ended')
    return isLast && !state.isLast ? 'ends' : 'ended before'
  // Never given, and no longer to be had.
  if (nextAttempt(state) === n) return isLast || isOver ? 'ends' : alive('it may still be given')
  if (state?.kind !== 'live' || n !== state.n) return alive('it was not given yet')
  if (open.has(state.paymentHash)) return alive('a call of it is open')
  if (state.calls === 0) return 'ends'
  if (node === null) return alive('lnd does not answer')
  const look = looks.get(state.paymentHash)
  if (look === undefined) return { kind: 'look', attempt: state }
  if (look.calls !== state.calls) return alive('it was called meanwhile')
  const verdict = judgeAttempt({
    ...{ paymentHash: state.paymentHash, amount: millisats(1000n * state.amount) },
    ...{ wasCalled: true, mayBeCalled: false, news: look.news, shown: look.shown },
    node: { isOurs: node.publicKey === state.node, hasForgotten: node.hasForgotten },
    ...{ way: look.way, goneMs: look.goneMs },
  })
  switch (verdict.kind) {
    case 'dead':
      return 'ends'
    case 'settled':
      return look.shown === null
        ? alive('it was paid')
        : { ...alive('its payee shows that it was paid'), preimage: look.shown }
    case 'waiting':
      return alive('it is on its way')
    case 'unknown':
      return alive(verdict.reason)
  }
}

function refused(reason: string): Refused {
  return { kind: 'refused', reason }
}
