import {
  type EndRequest,
  encodeManifest,
  type InvoicesRequest,
  type LineManifest,
  manifestHash,
  operatorKeyOf,
  type PayRequest,
  signAct,
} from '../../src/approval/index.ts'
import { batchId, type PaymentHash, paymentHash, payoutId, unixMs } from '../../src/lib/ids.ts'
import { parseBolt11 } from '../../src/lib/lightning/bolt11.ts'
import { sats } from '../../src/lib/money.ts'
import type { NodeStand } from '../../src/signer/lightning-call-rules.ts'
import type { LineState } from '../../src/signer/lightning-memory.ts'
import type { NodeLook } from '../../src/signer/lightning-node-client.ts'
import { judgeInvoices, type Offer, takeOffers } from '../../src/signer/lightning-rules.ts'
import { EMPTY_MEMORY, type Memory, remember } from '../../src/signer/memory.ts'
import { entryAfter, type MemoryEvent, writeLine } from '../../src/signer/memory-entry.ts'
import type { Standing } from '../../src/signer/standing.ts'
import { type WrittenInvoice, writeInvoice } from '../support/invoice.ts'
import { HOUR_MS, KEYS, type Person, POLICY, START } from './world.ts'

export const NODE = `02${'aa'.repeat(32)}`
/** 1,000 sat each, and 10 sat for the fee of each. */
export const AMOUNT_MSAT = 1_000_000n
export const FEE_MAX_MSAT = 10_000n

/** Three miners with an address each. */
export function lineManifest(over: Partial<LineManifest> = {}): LineManifest {
  const payees = ['ann', 'ben', 'cat'].map((name, at) => ({
    destination: `${name}@pay.example.org`,
    amount: sats(1000n),
    payouts: [payoutId(BigInt(at + 1))],
    feeMax: sats(10n),
  }))
  return {
    ...{ version: 3, purpose: 'payout', wallet: 'hot', network: 'regtest', rail: 'lightning' },
    ...{ batch: batchId(7n), payees, feeMax: sats(30n), policyVersion: 1 },
    ...{ createdAt: unixMs(START), expiresAt: unixMs(START + 6 * HOUR_MS) },
    ...{ createdBy: 'plan:lightning', excluded: [] },
    ...over,
  }
}

export const hashOf = (manifest: LineManifest) => manifestHash(encodeManifest(manifest))

export function invoicesRequest(
  manifest: LineManifest,
  lines: InvoicesRequest['lines'],
  people: readonly Person[] = ['alice'],
): InvoicesRequest {
  const hash = hashOf(manifest)
  return {
    ...{ ask: 'invoices', manifest: encodeManifest(manifest), lines, head: null },
    acts: people.map(person => signAct(KEYS[person], { kind: 'approve' }, hash)),
  }
}

export function payRequest(
  manifest: LineManifest,
  lines: readonly (Partial<PayRequest['lines'][number]> & { paymentHash: PaymentHash })[],
): PayRequest {
  const whole = lines.map(line => ({ ...FIRST, ...line }))
  return { ask: 'pay', manifestHash: hashOf(manifest), lines: whole, head: null }
}
const FIRST = { payee: 0, n: 1, call: 1, feeMaxMsat: 5000n as PayRequest['lines'][0]['feeMaxMsat'] }

export function endRequest(manifest: LineManifest, lines: EndRequest['lines']): EndRequest {
  return { ask: 'end', manifestHash: hashOf(manifest), lines, head: null }
}

export const hashOfNumber = (number: number) => paymentHash(number.toString(16).padStart(64, '0'))

/** What an address gives: another hash for each number. */
export function offerOf(number: number, over: WrittenInvoice = {}): Offer & { kind: 'invoice' } {
  const text = writeInvoice({ paymentHash: hashOfNumber(number), ...over })
  const parsed = parseBolt11(text)
  if (parsed.kind === 'refused') throw new Error(parsed.reason)
  return { kind: 'invoice', invoice: parsed.invoice, verifyUrl: null }
}

/** Adds events as a store does; throws where they contradict what was before. */
export function remembering(
  memory: Memory,
  events: readonly (MemoryEvent | null)[],
  at = START,
): Memory {
  return events.reduce<Memory>((before, event) => {
    if (event === null) return before
    const entry = entryAfter(before.head, event, at)
    const { hash } = writeLine(entry)
    const added = remember(before, [{ entry, hash }])
    if (added.kind === 'broken') throw new Error(`${event.kind} does not follow`)
    return added.memory
  }, memory)
}

export const FRESH = remembering(EMPTY_MEMORY, [
  { kind: 'started', network: 'regtest', name: '00'.repeat(32) },
])

export function standingOf(memory: Memory, over: Partial<Standing> = {}): Standing {
  const now = unixMs(START)
  return {
    ...{ network: 'regtest', policy: POLICY, wallets: {}, thunder: null, deposits: null },
    channels: null,
    ...{ memory, now, wallNow: over.now ?? now },
    ...over,
  }
}

export const STAND: NodeStand = {
  ...{ publicKey: NODE, isSynced: true, height: 800, newestIndex: 5n, hasForgotten: false },
}
export const LOOK: Extract<NodeLook, { kind: 'node' }> = { kind: 'node', ...STAND }

export const lineOf = (memory: Memory, manifest: LineManifest, payee: number): LineState | null =>
  memory.lightning.batches.get(hashOf(manifest))?.lines.get(payee) ?? null

/** The memory after lines were given invoices, whose numbers stand by the payee. */
export function givenTo(
  manifest: LineManifest,
  numbers: Readonly<Record<number, number>>,
  { memory = FRESH, n = 1 }: { readonly memory?: Memory; readonly n?: number } = {},
): Memory {
  const lines = Object.keys(numbers).map(payee => ({ payee: Number(payee), n }))
  const request = invoicesRequest(manifest, lines)
  const judge = (before: Memory) => {
    const judged = judgeInvoices(standingOf(before), request)
    if (judged.kind !== 'invoices') throw new Error(`${judged.kind}, and no invoices`)
    return judged
  }
  const begun = remembering(memory, [judge(memory).event])
  const offers = new Map(
    Object.entries(numbers).map(([payee, number]) => [Number(payee), offerOf(number)]),
  )
  const given = takeOffers(standingOf(begun), judge(begun), { offers, node: NODE })
  return remembering(begun, [given.event])
}

export function frozenBy(person: Person, scope: string): MemoryEvent {
  return {
    ...({ kind: 'freeze', network: 'regtest', scope, reason: 'a test' } as const),
    ...{ at: unixMs(START), by: operatorKeyOf(KEYS[person]), signature: '00'.repeat(64) },
  }
}
