import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { ask, type ConnectedLnd } from '../../src/devnet/connected-lnd.ts'
import { sha256 } from '../../src/lib/bitcoin/hash.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { type Bolt11, parseBolt11 } from '../../src/lib/lightning/bolt11.ts'
import { pollUntil } from '../../src/lib/poll.ts'

const WAIT = { everyMs: 50, timeoutMs: 60_000 }
const CALL_MS_MAX = 30_000

const made = z.object({ payment_request: z.string() })
const state = z.object({ state: z.string() })

/**
 * An invoice that is paid as soon as the money is there.
 *
 * @param more of `AddInvoice`, as lnd spells it
 */
export async function invoiceOf(
  node: ConnectedLnd,
  amountMsat: bigint,
  more: object = {},
): Promise<Bolt11> {
  const request = { value_msat: amountMsat.toString(), memo: 'payout', ...more }
  return parsed((await ask(node, made, 'addInvoice', request)).payment_request)
}

/** An invoice whose payee takes the money only when a test says so. */
export type HeldInvoice = {
  readonly invoice: Bolt11
  readonly preimage: string
  /** Waits until the money is there, neither taken nor sent back. */
  readonly isHeld: () => Promise<void>
  readonly settle: () => Promise<void>
  /** Sends the money back, or takes none that comes later. */
  readonly cancel: () => Promise<void>
}

export async function heldInvoiceOf(node: ConnectedLnd, amountMsat: bigint): Promise<HeldInvoice> {
  const preimage = randomBytes(32)
  const hash = sha256(preimage)
  const call = <T>(reply: z.ZodType<T>, method: string, request: object) =>
    node.connection.call(reply, { service: 'invoices', method, request, timeoutMs: CALL_MS_MAX })
  const anything = z.unknown()
  const request = { hash, value_msat: amountMsat.toString(), memo: 'held' }
  const { payment_request } = await call(made, 'addHoldInvoice', request)
  return {
    invoice: parsed(payment_request),
    preimage: toHex(preimage),
    isHeld: async () => {
      const isThere = async () => {
        const found = await ask(node, state, 'lookupInvoice', { r_hash: hash })
        return found.state === 'ACCEPTED' || null
      }
      if (!(await pollUntil(isThere, WAIT))) throw new Error('no money came to be held')
    },
    settle: async () => void (await call(anything, 'settleInvoice', { preimage })),
    cancel: async () => void (await call(anything, 'cancelInvoice', { payment_hash: hash })),
  }
}

function parsed(text: string): Bolt11 {
  const outcome = parseBolt11(text)
  if (outcome.kind === 'refused') throw new Error(outcome.reason)
  return outcome.invoice
}
