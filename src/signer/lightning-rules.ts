import {
  type InvoicesRequest,
  type LineManifest,
  largestSpend,
  type ManifestLine,
} from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import type { Digest } from '../lib/ids.ts'
import type { Bolt11 } from '../lib/lightning/bolt11.ts'
import { type LightningAddress, parseLightning } from '../lib/lightning/destination.ts'
import { type Asked, HELD_BLOCKS_MAX, invoiceComplaint } from '../lib/lightning/invoice.ts'
import { millisats } from '../lib/money.ts'
import { judgeApproved, readManifest } from './approved.ts'
import { VERIFY_URL_CHARS_MAX } from './lightning-events.ts'
import { isUsed, nextAttempt } from './lightning-memory.ts'
import { manifestOf } from './memory.ts'
import type { MemoryEvent } from './memory-entry.ts'
import { type Standing, timeOf } from './standing.ts'

/** A line of a manifest, and which attempt of it is spoken of. */
export type Place = { readonly payee: number; readonly n: number }

/** What a line that an invoice is asked for is worth. */
export type InvoiceLine =
  /** It was given before. */
  | (Place & { readonly kind: 'invoice'; readonly invoice: string })
  | (Place & { readonly kind: 'none'; readonly reason: string })
  /** Its payee's server is to be asked, for exactly that. */
  | (Place & { readonly kind: 'ask'; readonly address: LightningAddress; readonly asked: Asked })
  /** The manifest itself names it, and nobody but lnd is asked what it reads. */
  | (Place & { readonly kind: 'brought'; readonly invoice: Bolt11; readonly asked: Asked })

/** What a request for invoices is worth. */
export type InvoicesJudgement =
  | {
      readonly kind: 'invoices'
      readonly manifest: LineManifest
      readonly hash: Digest
      /** To be remembered before anybody is asked; null where the batch is known. */
      readonly event: MemoryEvent | null
      readonly lines: readonly InvoiceLine[]
    }
  /** It expired before anything of it was given, and will never be; null where that is known. */
  | { readonly kind: 'closed'; readonly event: MemoryEvent | null }
  | { readonly kind: 'refused'; readonly reason: string }

/** Judges a request for invoices, by the rules of a request for signatures. */
export function judgeInvoices(standing: Standing, request: InvoicesRequest): InvoicesJudgement {
  const read = readManifest(standing, request)
  if (read.kind === 'refused') return read
  const { manifest, hash } = read
  if (manifest.version !== 3) return refused('the manifest is of no payments over Lightning')
  const approved = judgeApproved(standing, {
    ...{ manifest, hash, acts: request.acts, policy: standing.policy },
    // Nothing is stuck here that a later invoice would free, so an approval ends when it says.
    graceMs: 0,
  })
  if (approved.kind !== 'approved') return approved
  const repeated = repeatComplaint(request.lines)
  if (repeated !== null) return refused(repeated)
  const event = manifestOf(standing.memory, String(manifest.batch))
    ? null
    : batchEvent(manifest, hash, approved.by)
  const lines = request.lines.map(place => judgeLine(standing, { manifest, hash, place }))
  return { kind: 'invoices', manifest, hash, event, lines }
}

/** Two words about one line in one request would be judged by the same memory. */
export function repeatComplaint(lines: readonly Place[]): string | null {
  return new Set(lines.map(({ payee }) => payee)).size === lines.length
    ? null
    : 'it asks for a line twice'
}

function judgeLine(
  standing: Standing,
  { manifest, hash, place }: { manifest: LineManifest; hash: Digest; place: Place },
): InvoiceLine {
  const { memory, network } = standing
  const { payee, n } = place
  const line = manifest.payees[payee]
  const none = (reason: string) => ({ kind: 'none', payee, n, reason }) as const
  if (line === undefined) return none('the manifest has no such line')
  const state = memory.lightning.batches.get(hash)?.lines.get(payee)
  if (state?.kind === 'live' && state.n === n) {
    assert(state.invoice !== null, 'an invoice is kept until its manifest expires')
    return { kind: 'invoice', payee, n, invoice: state.invoice }
  }
  const next = nextAttempt(state)
  if (next === null)
    return none(
      state?.kind === 'ended' ? 'its line has ended' : `attempt ${state?.n} has not ended`,
    )
  if (n !== next) return none(`the next attempt is ${next}`)
  const destination = parseLightning(line.destination, network)
  switch (destination.kind) {
    case 'refused':
      return none(destination.reason)
    case 'invoice': {
      const asked = askedOf(line, network)
      const complaint = broughtComplaint(standing, { line, n, asked, invoice: destination.invoice })
      if (complaint !== null) return none(complaint)
      return { kind: 'brought', payee, n, invoice: destination.invoice, asked }
    }
    case 'address': {
      const { address } = destination
      if (address.text !== line.destination) return none('the address is in another spelling')
      return { kind: 'ask', payee, n, address, asked: askedOf(line, network) }
    }
  }
}

/**
 * Why an invoice of a manifest is not given. It is for one payment, so no other attempt follows the
 * one that it is: where that has ended, its line has.
 */
function broughtComplaint(
  standing: Standing,
  {
    line,
    n,
    asked,
    invoice,
  }: {
    readonly line: ManifestLine
    readonly n: number
    readonly asked: Asked
    readonly invoice: Bolt11
  },
): string | null {
  if (invoice.text !== line.destination) return 'the invoice is in another spelling'
  if (n > 1) return 'an invoice of a manifest is one attempt, and no other follows'
  return takingComplaint(standing, invoice, asked)
}

/** Why an invoice is not taken, wherever it is from. */
function takingComplaint(standing: Standing, invoice: Bolt11, asked: Asked): string | null {
  const complaint = invoiceComplaint(invoice, asked, timeOf(standing))
  if (complaint !== null) return complaint
  const isKnown = isUsed(standing.memory.lightning, invoice.paymentHash)
  return isKnown ? 'the invoice was given before' : null
}

function askedOf({ amount }: ManifestLine, network: Network): Asked {
  return { network, amount: millisats(1000n * amount), cltvBlocksMax: HELD_BLOCKS_MAX }
}

function batchEvent(manifest: LineManifest, hash: Digest, by: 'operators' | 'pool'): MemoryEvent {
  const { batch, expiresAt, payees } = manifest
  return {
    ...{ kind: 'ln batch', batch: String(batch), manifest: hash, by, expiresAt },
    spendSats: largestSpend(manifest),
    payees: payees.map(({ destination, amount }) => ({ destination, amountSats: amount })),
  }
}

/** An invoice that an address gave or the manifest names, or why there is none. */
export type Offer =
  | {
      readonly kind: 'invoice'
      readonly invoice: Bolt11
      /** Where its server says whether it was paid (LUD-21), or null. */
      readonly verifyUrl: string | null
    }
  | { readonly kind: 'none'; readonly reason: string }

/** What is answered, and what must be remembered before. */
export type Given = {
  readonly event: MemoryEvent | null
  readonly lines: readonly Exclude<InvoiceLine, { kind: 'ask' | 'brought' }>[]
}

/**
 * Takes what addresses gave. The judgement is one of now: while they were asked, another request may
 * have brought an invoice for the same line, or a freeze.
 *
 * @param offers by payee; whoever is not there was not asked
 * @param node the public key of the lnd that will pay
 */
export function takeOffers(
  standing: Standing,
  { manifest, hash, lines }: Extract<InvoicesJudgement, { kind: 'invoices' }>,
  { offers, node }: { readonly offers: ReadonlyMap<number, Offer>; readonly node: string },
): Given {
  const used = new Set<string>()
  const taken: Extract<MemoryEvent, { kind: 'ln invoices' }>['lines'] = []
  const answered = lines.map((line): Given['lines'][number] => {
    if (line.kind !== 'ask' && line.kind !== 'brought') return line
    const { payee, n, asked } = line
    const offer = offers.get(payee) ?? { kind: 'none', reason: 'it was not asked in time' }
    if (offer.kind === 'none') return { kind: 'none', payee, n, reason: offer.reason }
    const { invoice, verifyUrl } = offer
    const { paymentHash, text } = invoice
    const complaint = used.has(paymentHash)
      ? 'the invoice was given before'
      : takingComplaint(standing, invoice, asked)
    if (complaint !== null) return { kind: 'none', payee, n, reason: complaint }
    const paid = manifest.payees[payee]
    assert(paid !== undefined, 'a line that is asked for is in the manifest')
    used.add(paymentHash)
    const bounds = { amountSats: paid.amount, feeMaxSats: paid.feeMax }
    const given = { payee, n, paymentHash, invoice: text, ...bounds }
    const isKept = verifyUrl !== null && verifyUrl.length <= VERIFY_URL_CHARS_MAX
    taken.push(isKept ? { ...given, verifyUrl } : given)
    return { kind: 'invoice', payee, n, invoice: text }
  })
  const event = { kind: 'ln invoices', manifest: hash, node, lines: taken } as const
  return { event: taken.length > 0 ? event : null, lines: answered }
}

function refused(reason: string) {
  return { kind: 'refused', reason } as const
}
