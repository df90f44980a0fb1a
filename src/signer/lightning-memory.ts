import { unreachable } from '../lib/assert.ts'
import type { Digest, PaymentHash, UnixMs } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import type { LightningEvent } from './lightning-events.ts'

/** The newest attempt of a line; the ones before have all ended. */
export type LineState =
  /** None was given that may still be called: the next one is n + 1, unless it was the last. */
  { readonly kind: 'ended'; readonly n: number; readonly isLast: boolean } | LiveAttempt
export type LiveAttempt = {
  readonly kind: 'live'
  readonly n: number
  readonly paymentHash: PaymentHash
  /** Null where its manifest has expired: it is not given or called any more. */
  readonly invoice: string | null
  /** Where its payee's server shows the preimage of what was paid, or null. */
  readonly verifyUrl: string | null
  /** The public key of the lnd that it is paid by. */
  readonly node: string
  readonly amount: Sats
  readonly feeMax: Sats
  /** How often lnd was called, or was about to be. */
  readonly calls: number
}

/** A batch that this host has begun to pay. */
export type LightningBatch = {
  readonly batch: string
  /** From this instant on nothing is given or called. */
  readonly expiresAt: UnixMs
  /** In the order of the manifest; empty once it has expired, as they are of no use then. */
  readonly destinations: readonly string[]
  /** By the payee's place in the manifest; those without an attempt are not there. */
  readonly lines: ReadonlyMap<number, LineState>
}

/** An attempt that was called, and is not known to have come to its end. */
export type OpenPayment = {
  readonly manifest: Digest
  readonly payee: number
  readonly n: number
  readonly calls: number
  readonly destination: string
  readonly invoice: string
  readonly amount: Sats
}

/** All that must not be forgotten of Lightning. */
export type LightningMemory = {
  /** By the hash of their manifests. */
  readonly batches: ReadonlyMap<Digest, LightningBatch>
  /** The manifest of each batch's number. */
  readonly numbers: ReadonlyMap<string, Digest>
  /** All that were ever given, by how they begin: so that adding some copies a few of them. */
  readonly hashes: ReadonlyMap<string, ReadonlySet<PaymentHash>>
  /** What may be on its way: some hundreds at most, since what is on its way is bounded. */
  readonly open: ReadonlyMap<PaymentHash, OpenPayment>
  /** The highest index of a payment, by the node's public key. */
  readonly newestIndex: ReadonlyMap<string, bigint>
}

export const NO_LIGHTNING: LightningMemory = {
  batches: new Map(),
  numbers: new Map(),
  hashes: new Map(),
  open: new Map(),
  newestIndex: new Map(),
}

/** 4,096 parts of the hashes: a million of them are 250 in each. */
const PART_CHARS = 3
const partOf = (hash: PaymentHash) => hash.slice(0, PART_CHARS)

/** Whether a hash was ever given; whoever has seen it paid may know its preimage. */
export function isUsed({ hashes }: LightningMemory, hash: PaymentHash): boolean {
  return hashes.get(partOf(hash))?.has(hash) ?? false
}

/** Which attempt of a line may be given next, where the newest one has ended and is not the last. */
export function nextAttempt(state: LineState | undefined): number | null {
  if (state === undefined) return 1
  return state.kind === 'ended' && !state.isLast ? state.n + 1 : null
}

/** A memory that events are added to: many at once cost no more than one. */
export type LightningDraft = {
  /** @returns false for one that contradicts what was before */
  readonly add: (event: LightningEvent, at: UnixMs) => boolean
  readonly hasNumber: (batch: string) => boolean
  readonly done: () => LightningMemory
}

export function draftOf(memory: LightningMemory): LightningDraft {
  const batches = new Map(memory.batches)
  const numbers = new Map(memory.numbers)
  const newestIndex = new Map(memory.newestIndex)
  const hashes = new Map(memory.hashes)
  const open = new Map(memory.open)
  /** Copies that nobody else has: parts of the hashes, and lines of batches. */
  const ownParts = new Map<string, Set<PaymentHash>>()
  const ownLines = new Map<Digest, Map<number, LineState>>()

  function linesOf(manifest: Digest): Map<number, LineState> | null {
    const batch = batches.get(manifest)
    if (batch === undefined) return null
    const own = ownLines.get(manifest) ?? new Map(batch.lines)
    ownLines.set(manifest, own)
    batches.set(manifest, { ...batch, lines: own })
    return own
  }

  function use(hash: PaymentHash): boolean {
    const part = partOf(hash)
    const own = ownParts.get(part) ?? new Set(hashes.get(part))
    if (own.has(hash)) return false
    own.add(hash)
    ownParts.set(part, own)
    hashes.set(part, own)
    return true
  }

  /** What nobody will be given any more is most of what a batch takes. */
  function forgetInvoices(now: UnixMs): void {
    for (const [manifest, { expiresAt, destinations }] of batches) {
      if (expiresAt > now || destinations.length === 0) continue
      const own = linesOf(manifest)
      for (const [payee, state] of own ?? [])
        if (state.kind === 'live') own?.set(payee, { ...state, invoice: null })
      const batch = batches.get(manifest)
      if (batch) batches.set(manifest, { ...batch, destinations: [] })
    }
  }

  /** From its first call on an attempt may be on its way. */
  function noteCall(
    manifest: Digest,
    { payee, n, call }: { readonly payee: number; readonly n: number; readonly call: number },
    { paymentHash, invoice, amount }: LiveAttempt,
  ): void {
    const destination = batches.get(manifest)?.destinations[payee]
    if (destination === undefined || invoice === null) return
    open.set(paymentHash, { manifest, payee, n, calls: call, destination, invoice, amount })
  }

  function add(event: LightningEvent, at: UnixMs): boolean {
    if (event.kind === 'ln batch') {
      const { batch, manifest, expiresAt, payees } = event
      if (numbers.has(batch) || batches.has(manifest)) return false
      numbers.set(batch, manifest)
      const destinations = payees.map(({ destination }) => destination)
      batches.set(manifest, { batch, expiresAt, destinations, lines: new Map() })
      forgetInvoices(at)
      return true
    }
    const lines = linesOf(event.manifest)
    if (lines === null) return false
    switch (event.kind) {
      case 'ln invoices':
        return event.lines.every(line => {
          const { payee, n, amountSats, feeMaxSats, paymentHash, invoice } = line
          const given = { paymentHash, invoice }
          const verifyUrl = 'verifyUrl' in line ? line.verifyUrl : null
          if (nextAttempt(lines.get(payee)) !== n || !use(given.paymentHash)) return false
          const bounds = { amount: amountSats, feeMax: feeMaxSats, node: event.node }
          lines.set(payee, { kind: 'live', n, ...given, verifyUrl, ...bounds, calls: 0 })
          return true
        })
      case 'ln calls': {
        const { node, newestIndex: index } = event
        if (index > (newestIndex.get(node) ?? -1n)) newestIndex.set(node, index)
        return event.lines.every(({ payee, n, call }) => {
          const state = lines.get(payee)
          if (state?.kind !== 'live' || state.n !== n || state.calls + 1 !== call) return false
          lines.set(payee, { ...state, calls: call })
          noteCall(event.manifest, { payee, n, call }, state)
          return true
        })
      }
      case 'ln paid':
        return event.lines.every(({ payee, n }) => {
          const state = lines.get(payee)
          return state?.kind === 'live' && state.n === n && open.delete(state.paymentHash)
        })
      case 'ln ended':
        return event.lines.every(({ payee, n, isLast }) => {
          const state = lines.get(payee)
          const isNewest = state?.n === n && (state.kind === 'live' || (isLast && !state.isLast))
          if (!isNewest && nextAttempt(state) !== n) return false
          if (state?.kind === 'live') open.delete(state.paymentHash)
          lines.set(payee, { kind: 'ended', n, isLast })
          return true
        })
      default:
        return unreachable(event)
    }
  }
  return {
    add,
    hasNumber: batch => numbers.has(batch),
    done: () => ({ batches, numbers, hashes, open, newestIndex }),
  }
}
