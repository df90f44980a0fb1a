import type { Network } from '../bitcoin/network.ts'
import type { UnixMs } from '../ids.ts'
import type { Millisats } from '../money.ts'
import type { Bolt11 } from './bolt11.ts'

/** What an invoice must be to be paid. */
export type Asked = {
  readonly network: Network
  /** To the millisat. */
  readonly amount: Millisats
  /** Blocks for which the payee may hold the money at most, and as many for a way that it names. */
  readonly cltvBlocksMax: number
}

/**
 * What a payee may hold is away for a day at most, and on the way that it names for another: wallets
 * behind one large node ask for 18 to 80 blocks, and that node for 40 to 144.
 */
export const HELD_BLOCKS_MAX = 144
/** An invoice that ends sooner would end while it is on its way. */
export const TIME_LEFT_MS_MIN = 2 * 60_000
/** No wallet says more of its way; all of them are tried before a payment fails. */
const HINT_HOPS_MAX = 32

/**
 * Why an invoice must not be paid, or null. Whether its hash was paid before is for whoever keeps
 * the hashes.
 *
 * @returns for people: no text of the payee is in it
 */
export function invoiceComplaint(invoice: Bolt11, asked: Asked, now: UnixMs): string | null {
  const { network, amount, cltvBlocksMax } = asked
  if (invoice.network !== network)
    return `the invoice is for ${invoice.network}, and this pool is on ${network}`
  if (invoice.amount === null) return 'the invoice names no amount'
  if (invoice.amount !== amount)
    return `the invoice is for ${invoice.amount} msat, not for ${amount} msat`
  if (invoice.expiresAt <= now) return 'the invoice has expired'
  if (invoice.expiresAt - now < TIME_LEFT_MS_MIN) return 'the invoice expires too soon'
  const hops = invoice.routeHints.flat()
  if (hops.length > HINT_HOPS_MAX) return 'the invoice names too many ways to its payee'
  const own = invoice.minFinalCltvBlocks
  const named = namedBlocks(invoice)
  const limit = `and at most ${cltvBlocksMax} are allowed`
  if (own > cltvBlocksMax) return `the payee may hold the money for ${own} blocks, ${limit}`
  if (named > cltvBlocksMax) return `the way to the payee may hold it for ${named} blocks, ${limit}`
  return null
}

/** Blocks for which an unhelpful payee can hold the money: its own, and those of the longest hint. */
export function heldBlocks(invoice: Bolt11): number {
  return invoice.minFinalCltvBlocks + namedBlocks(invoice)
}

function namedBlocks({ routeHints }: Bolt11): number {
  return Math.max(0, ...routeHints.map(hops => hops.reduce((sum, blocks) => sum + blocks, 0)))
}
