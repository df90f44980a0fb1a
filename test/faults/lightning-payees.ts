import { z } from 'zod'
import { ask, type ConnectedLnd } from '../../src/devnet/connected-lnd.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import type { PaymentHash } from '../../src/lib/ids.ts'
import { heldInvoiceOf, invoiceOf } from '../support/payee.ts'
import type { StrangersServer } from '../support/strangers-server.ts'
import type { Striker } from './boundary.ts'

/** What a payee does with the first of its invoices; each later one is paid as any. */
export type Manner =
  | 'pays'
  /** Every payment of it fails. */
  | 'refuses'
  /** It keeps the money, neither taken nor sent back, until it is let go, and takes it then. */
  | 'keeps'
  /** The same, and sends it back then. */
  | 'gives back'

const DOMAIN = 'pay.example.org'
const THE_MONEY_IS_HELD = 'the money is held'

/** What its node says of an invoice. */
export type PayeesInvoice = { readonly state: string; readonly paidMsat: bigint }

/** Payees by Lightning addresses of one server, all of them on one node. */
export type Payees = {
  /** A payee who was never seen before. @returns its address */
  readonly add: (manner: Manner) => string
  /** Lets money go that is kept, one way or the other. */
  readonly letGo: (address: string) => Promise<void>
  /** All that it ever gave to anybody, as its node sees them. */
  readonly invoices: (address: string) => Promise<readonly PayeesInvoice[]>
}

type Payee = {
  readonly manner: Manner
  readonly given: PaymentHash[]
  letGo: () => Promise<void>
}

const looked = z.object({
  state: z.string(),
  amt_paid_msat: z.string().transform(BigInt),
})

type Tap = ReturnType<Striker['tap']>

/**
 * Has a server give invoices of a node.
 *
 * @param tap hears what is asked and answered; what it drops is neither done nor heard
 * @param held hears that money came which is kept
 */
export function payeesOf(
  node: ConnectedLnd,
  server: StrangersServer,
  { tap, held }: { readonly tap: Tap; readonly held: Tap },
): Payees {
  const payees = new Map<string, Payee>()
  let asked = 0
  const payee = (name: string): Payee => {
    const found = payees.get(name)
    if (!found) throw new Error(`there is no payee ${name}`)
    return found
  }

  async function invoice(name: string, amountMsat: bigint): Promise<string> {
    const { manner, given } = payee(name)
    if (manner === 'pays' || given.length > 0) {
      const made = await invoiceOf(node, amountMsat)
      given.push(made.paymentHash)
      return made.text
    }
    const kept = await heldInvoiceOf(node, amountMsat)
    given.push(kept.invoice.paymentHash)
    if (manner === 'refuses') await kept.cancel()
    else {
      payee(name).letGo = manner === 'keeps' ? kept.settle : kept.cancel
      // Where it never comes, the round says so.
      kept.isHeld().then(
        () => held('to server', Buffer.from(THE_MONEY_IS_HELD), 0),
        () => {},
      )
    }
    return kept.invoice.text
  }

  async function answer(url: string): Promise<object> {
    const { pathname, searchParams } = new URL(url, `https://${DOMAIN}`)
    const name = pathname.split('/').at(-1) ?? ''
    if (pathname.startsWith('/.well-known/')) return payRequest(name)
    return { pr: await invoice(name, BigInt(searchParams.get('amount') ?? '0')) }
  }

  server.answerBy((request, response) => {
    const [number, url] = [++asked, request.url ?? '']
    if (tap('to server', Buffer.from(url), number) !== 'pass') return request.socket.destroy()
    answer(url).then(
      body => {
        if (tap('to client', Buffer.from(url), number) !== 'pass') request.socket.destroy()
        else response.end(JSON.stringify(body))
      },
      () => request.socket.destroy(),
    )
  })

  return {
    add: manner => {
      const name = `m${payees.size + 1}`
      payees.set(name, { manner, given: [], letGo: async () => {} })
      return `${name}@${DOMAIN}`
    },
    letGo: async address => {
      const found = payee(nameOf(address))
      const { letGo } = found
      found.letGo = async () => {}
      await letGo()
    },
    invoices: address =>
      Promise.all(
        payee(nameOf(address)).given.map(async hash => {
          const said = await ask(node, looked, 'lookupInvoice', { r_hash: fromHex(hash) })
          return { state: said.state, paidMsat: said.amt_paid_msat }
        }),
      ),
  }
}

const nameOf = (address: string) => address.split('@')[0] ?? ''

/** Source: LUD-06 and LUD-16. */
const payRequest = (name: string) => ({
  ...{ tag: 'payRequest', callback: `https://api.example.com/cb/${name}` },
  ...{ minSendable: 1000, maxSendable: 100_000_000 },
  metadata: `[["text/plain","for ${name}"],["text/identifier","${name}@${DOMAIN}"]]`,
})
