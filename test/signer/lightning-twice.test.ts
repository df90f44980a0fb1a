import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type PaymentHash, unixMs } from '../../src/lib/ids.ts'
import { NOT_TOLD } from '../../src/lib/lightning/way.ts'
import { millisats } from '../../src/lib/money.ts'
import type { PaymentNews } from '../../src/lib/nodes/lnd-client.ts'
import {
  judgeEnd,
  judgePay,
  type Look,
  type NodeStand,
} from '../../src/signer/lightning-call-rules.ts'
import { nextAttempt } from '../../src/signer/lightning-memory.ts'
import { judgeInvoices, takeOffers } from '../../src/signer/lightning-rules.ts'
import { EMPTY_MEMORY, type Memory, remember } from '../../src/signer/memory.ts'
import {
  type ChainedEntry,
  entryAfter,
  type MemoryEvent,
  readLine,
  writeLine,
} from '../../src/signer/memory-entry.ts'
import {
  AMOUNT_MSAT,
  endRequest,
  FEE_MAX_MSAT,
  FRESH,
  hashOf,
  hashOfNumber,
  invoicesRequest,
  lineManifest,
  lineOf,
  NODE,
  offerOf,
  payRequest,
  STAND,
  standingOf,
} from './lightning-world.ts'
import { START } from './world.ts'

const MANIFEST = lineManifest()
const MINUTE_MS = 60_000

/** What a pool may ask, in whatever order, and what may happen to this host and its lnd. */
type Move =
  | { kind: 'invoices'; payee: number; off: number }
  | { kind: 'end'; payee: number; off: number; isLast: boolean }
  | { kind: 'pay'; payee: number; off: number; callOff: number; fee: bigint; isForeign: boolean }
  /** A call comes to its end: never begun, failed, on its way, or paid. */
  | { kind: 'call ends'; as: 'lost' | 'failed' | 'in flight' | 'succeeded' }
  /** What was on its way is taken by its payee, or sent back. */
  | { kind: 'arrives'; as: 'failed' | 'succeeded' }
  | { kind: 'minutes' }
  /** The process is killed: calls are cut, and the memory is read again from its lines. */
  | { kind: 'crash' }

const payee = fc.constantFrom(0, 0, 0, 1)
/** How far what is asked is from what would be right: mostly not at all. */
const off = fc.constantFrom(...Array<number>(10).fill(0), -1, 1)
const rarely = fc.constantFrom(...Array<boolean>(9).fill(false), true)
const weighted = (weight: number, arbitrary: fc.Arbitrary<Move>) => ({ weight, arbitrary })
const move: fc.Arbitrary<Move> = fc.oneof(
  weighted(2, fc.record({ kind: fc.constant('invoices'), payee, off })),
  weighted(2, fc.record({ kind: fc.constant('end'), payee, off, isLast: rarely })),
  weighted(
    4,
    fc.record({
      ...{ kind: fc.constant('pay'), payee, off, callOff: off },
      fee: fc.constantFrom(0n, 5000n, 5000n, FEE_MAX_MSAT, FEE_MAX_MSAT + 1n),
      isForeign: fc.constantFrom(false, false, false, false, false, false, true),
    }),
  ),
  weighted(
    4,
    fc.record({
      kind: fc.constant('call ends'),
      as: fc.constantFrom('lost', 'failed', 'in flight', 'succeeded'),
    }),
  ),
  weighted(
    1,
    fc.record({ kind: fc.constant('arrives'), as: fc.constantFrom('failed', 'succeeded') }),
  ),
  weighted(1, fc.constantFrom<Move>({ kind: 'minutes' }, { kind: 'crash' })),
)

/** A signer without its sockets, and an lnd that keeps to what lnd promises. */
function world() {
  let memory = FRESH
  let now = START
  let given = 0
  const started = writeLine(entryAfter(EMPTY_MEMORY.head, STARTED, START)).line
  const written: string[] = [started]
  let calling: PaymentHash[] = []
  /** Which hashes were on their way or paid, and for which line each was given. */
  const lnd = new Map<PaymentHash, 'failed' | 'in flight' | 'succeeded'>()
  const lineOfHash = new Map<PaymentHash, number>()
  const ended = new Set<PaymentHash>()
  /** Lines whose last attempt has ended: they may be paid elsewhere now. */
  const over = new Set<number>()
  let notFound = new Map<PaymentHash, number>()
  const standing = () => standingOf(memory, { now: unixMs(now), wallNow: unixMs(now) })
  const node = (): NodeStand => ({ ...STAND, newestIndex: BigInt(lnd.size) })
  const open = () => new Set(calling)

  function add(event: MemoryEvent | null): void {
    if (event === null) return
    if (event.kind === 'ln ended')
      for (const place of event.lines) {
        const state = lineOf(memory, MANIFEST, place.payee)
        if (state?.kind === 'live') ended.add(state.paymentHash)
        if (place.isLast) over.add(place.payee)
      }
    const entry = entryAfter(memory.head, event, now)
    const { line, hash } = writeLine(entry)
    const added = remember(memory, [{ entry, hash }])
    if (added.kind === 'broken') throw new Error(`${event.kind} does not follow`)
    written.push(line)
    memory = added.memory
  }

  function track(hash: PaymentHash): PaymentNews {
    const status = lnd.get(hash)
    if (status === undefined) return { kind: 'not found' }
    const isOnItsWay = status === 'in flight'
    const payment = {
      ...{ paymentHash: hash, status, amount: millisats(AMOUNT_MSAT), fee: millisats(0n) },
      ...{ preimage: '00'.repeat(32), unresolvedHtlcs: isOnItsWay ? 1 : 0, untilHeight: null },
      ...{ index: 1n, firstHops: [] },
    }
    return { kind: 'payment', payment }
  }

  /** The attempt of a line that is the newest one; 0 before the first. */
  const newestOf = (line: number) => lineOf(memory, MANIFEST, line)?.n ?? 0

  function invoices({ payee, off }: { payee: number; off: number }): void {
    const place = {
      payee,
      n: Math.max(
        1,
        (nextAttempt(lineOf(memory, MANIFEST, payee) ?? undefined) ?? newestOf(payee)) + off,
      ),
    }
    const request = invoicesRequest(MANIFEST, [place], ['pool'])
    const first = judgeInvoices(standing(), request)
    if (first.kind !== 'invoices') return
    add(first.event)
    const again = judgeInvoices(standing(), request)
    if (again.kind !== 'invoices') return
    given++
    const offer = offerOf(given, { createdAtSeconds: now / 1000 })
    const offers = new Map([[place.payee, offer]])
    const taken = takeOffers(standing(), again, { offers, node: NODE })
    add(taken.event)
    if (taken.event !== null) expect(over.has(place.payee)).toBe(false)
    if (taken.event !== null) lineOfHash.set(offer.invoice.paymentHash, place.payee)
  }

  function pay(asked: Extract<Move, { kind: 'pay' }>): void {
    // Often the right hash, since a wrong one is refused at once.
    const state = lineOf(memory, MANIFEST, asked.payee)
    const newest = state?.kind === 'live' ? state.paymentHash : hashOfNumber(1)
    const paymentHash = asked.isForeign ? hashOfNumber(1) : newest
    const { payee, off, callOff, fee } = asked
    const calls = state?.kind === 'live' ? state.calls : 0
    const [n, call] = [newestOf(payee) + off, calls + 1 + callOff].map(each => Math.max(1, each))
    const feeMaxMsat = millisats(fee)
    const request = payRequest(MANIFEST, [
      { payee, n: n ?? 1, call: call ?? 1, feeMaxMsat, paymentHash },
    ])
    const judged = judgePay(standing(), request, {
      ...{ node: node(), open: open(), resting: new Map() },
    })
    if (judged.kind === 'refused') return
    add(judged.event)
    for (const { invoice, feeMax } of judged.orders) {
      expect(ended.has(invoice.paymentHash)).toBe(false)
      expect(open().has(invoice.paymentHash)).toBe(false)
      expect(feeMax <= FEE_MAX_MSAT && invoice.amount === AMOUNT_MSAT).toBe(true)
      notFound.delete(invoice.paymentHash)
      calling.push(invoice.paymentHash)
    }
  }

  /** lnd refuses a hash that is on its way or paid, and takes one that failed again. */
  function callEnds(as: Extract<Move, { kind: 'call ends' }>['as']): void {
    const hash = calling.shift()
    if (hash === undefined) return
    const before = lnd.get(hash)
    if (as === 'lost' || before === 'in flight' || before === 'succeeded') return
    lnd.set(hash, as)
  }

  function arrives(as: 'failed' | 'succeeded'): void {
    const [hash] = [...lnd].find(([, status]) => status === 'in flight') ?? []
    if (hash !== undefined) lnd.set(hash, as)
  }

  function end({ payee, off, isLast }: { payee: number; off: number; isLast: boolean }): void {
    const place = { payee, n: Math.max(1, newestOf(payee) + off), isLast }
    const request = endRequest(MANIFEST, [place])
    const about = { node: node(), open: open() }
    const first = judgeEnd(standing(), request, { ...about, looks: new Map() })
    if (first.kind === 'refused') return
    const looks = new Map<PaymentHash, Look>()
    for (const line of first.lines) {
      if (line.kind !== 'look') continue
      const { paymentHash, calls } = line.attempt
      const news = track(paymentHash)
      const since = notFound.get(paymentHash) ?? now
      if (news.kind === 'not found') notFound.set(paymentHash, since)
      looks.set(paymentHash, { news, calls, way: NOT_TOLD, goneMs: now - since, shown: null })
    }
    const judged = judgeEnd(standing(), request, { ...about, looks })
    if (judged.kind === 'ended') add(judged.event)
  }

  function crash(): void {
    calling = []
    notFound = new Map()
    const entries = written.map(line => readLine(line))
    const whole = entries.filter((entry): entry is ChainedEntry => entry !== null)
    const read = remember(EMPTY_MEMORY, whole)
    expect(read).toEqual({ kind: 'memory', memory })
  }

  function check(): void {
    const live = [...lnd].filter(([, status]) => status !== 'failed').map(([hash]) => hash)
    const lines = live.map(hash => lineOfHash.get(hash))
    // No line is paid twice, or is on its way twice.
    expect(new Set(lines).size).toBe(lines.length)
    expect(lines.some(line => line !== undefined && over.has(line))).toBe(false)
    expect(live.some(hash => ended.has(hash))).toBe(false)
  }

  return {
    play: (each: Move) => {
      switch (each.kind) {
        case 'invoices':
          invoices(each)
          break
        case 'pay':
          pay(each)
          break
        case 'end':
          end(each)
          break
        case 'call ends':
          callEnds(each.as)
          break
        case 'arrives':
          arrives(each.as)
          break
        case 'minutes':
          now += 4 * MINUTE_MS
          break
        case 'crash':
          crash()
          break
      }
      check()
    },
    memory: (): Memory => memory,
  }
}

const STARTED: MemoryEvent = { kind: 'started', network: 'regtest', name: '00'.repeat(32) }

test('no line is paid twice, whatever is asked in what order, and whatever breaks', () => {
  let calls = 0
  let attempts = 0
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60, minLength: 20 }), moves => {
      const { play, memory } = world()
      for (const each of moves) play(each)
      const lines = memory().lightning.batches.get(hashOf(MANIFEST))?.lines ?? new Map()
      for (const line of lines.values()) {
        attempts = Math.max(attempts, line.n)
        if (line.kind === 'live') calls = Math.max(calls, line.calls)
      }
    }),
    { numRuns: 150 },
  )
  // Else nothing of note has happened.
  expect(attempts).toBeGreaterThan(1)
  expect(calls).toBeGreaterThan(1)
})
