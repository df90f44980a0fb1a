import type { Network } from '../bitcoin/network.ts'
import { type Bolt11, parseBolt11 } from './bolt11.ts'
import { isDomain } from './guarded-url.ts'

/** A Lightning address (LUD-16), in its one spelling. */
export type LightningAddress = {
  readonly name: string
  readonly domain: string
  /** `name@domain` */
  readonly text: string
}

/** What a miner may name to be paid over Lightning, or why it cannot be paid. */
export type LightningDestination =
  | { readonly kind: 'address'; readonly address: LightningAddress }
  | { readonly kind: 'invoice'; readonly invoice: Bolt11 }
  /** For the miner: no text of theirs is in it. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Of `name@domain`; a longer one is no address of a mailbox either. Source: RFC 5321, 4.5.3.1. */
const ADDRESS_CHARS_MAX = 320
/** Source: LUD-16, with tags. A dot alone would be a step in a path. */
const NAME = /^[a-z0-9_+-][a-z0-9._+-]{0,63}$/
const USE = 'use a Lightning address (name@domain) or a BOLT 11 invoice'

/**
 * Reads what a miner names. Only what LND pays is taken; each other kind is refused by its name,
 * since "wrong address" would send a miner looking for a typing mistake.
 */
export function parseLightning(text: string, network: Network): LightningDestination {
  const lower = text.toLowerCase()
  if (lower.startsWith('₿'))
    return refused(`names of BIP 353 (₿name@domain) stand for offers, which LND cannot pay: ${USE}`)
  if (/^ln[oir]1/.test(lower))
    return refused(`offers of BOLT 12 (lno...) cannot be paid by LND: ${USE}`)
  if (lower.startsWith('lnurl1')) return refused(`an LNURL cannot be checked by reading it: ${USE}`)
  if (text.includes('@')) return readAddress(text)
  if (!lower.startsWith('ln')) return refused(`it is nothing that Lightning pays to: ${USE}`)
  const parsed = parseBolt11(text)
  if (parsed.kind === 'refused') return refused(`this invoice cannot be read: ${parsed.reason}`)
  const { invoice } = parsed
  if (invoice.network !== network)
    return refused(`this invoice is for ${invoice.network}, and this pool is on ${network}`)
  if (invoice.amount === null)
    return refused('this invoice names no amount: make one for exactly what is paid')
  return { kind: 'invoice', invoice }
}

/**
 * The invoice that a line of a manifest names, or null where it names an address. Whether it is to be
 * paid is for whoever pays.
 */
export function invoiceNamed(destination: string): Bolt11 | null {
  const isInvoice = destination.startsWith('ln') && !destination.includes('@')
  const parsed = isInvoice ? parseBolt11(destination) : null
  return parsed?.kind === 'invoice' ? parsed.invoice : null
}

/** Null for what is no Lightning address. */
export function parseLightningAddress(text: string): LightningAddress | null {
  if (text.length > ADDRESS_CHARS_MAX) return null
  const at = text.lastIndexOf('@')
  const name = text.slice(0, at)
  // Domains have no case; names have, and only the lower one is allowed.
  const domain = text.slice(at + 1).toLowerCase()
  if (at < 0 || !NAME.test(name) || !isDomain(domain)) return null
  return { name, domain, text: `${name}@${domain}` }
}

function readAddress(text: string): LightningDestination {
  if (text.toLowerCase().endsWith('.onion'))
    return refused('a Lightning address on .onion cannot be reached from here')
  const address = parseLightningAddress(text)
  if (address !== null) return { kind: 'address', address }
  return refused(
    'a Lightning address is name@domain, the name of a-z 0-9 . _ - +, the domain as of a web page',
  )
}

function refused(reason: string): Extract<LightningDestination, { kind: 'refused' }> {
  return { kind: 'refused', reason }
}
