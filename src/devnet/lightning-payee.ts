import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { z } from 'zod'
import { selfSigned } from './certificate.ts'
import { ask, type ConnectedLnd } from './connected-lnd.ts'

const HOST = '127.0.0.1'
/** Of nobody: it is reserved for examples, and stands for the loopback interface here. */
const DOMAIN = 'pay.example.org'
const NAME = 'miner-d'
/** Invoices of one look: more than a demo ever gives. */
const INVOICES_MAX = '1000'

/** Somebody with an lnd and a Lightning address, whose server is on the loopback interface. */
export type LightningPayee = {
  readonly address: string
  /** How the signer finds its server in place of the Internet. */
  readonly resolver: {
    readonly address: string
    readonly httpsPort: number
    readonly caFile: string
  }
  /** What its own node says that it was paid, in satoshis. */
  readonly receivedSats: () => Promise<bigint>
  readonly stop: () => Promise<void>
}

const made = z.object({ payment_request: z.string() })
const listed = z.object({
  invoices: z.array(z.object({ state: z.string(), amt_paid_msat: z.string().transform(BigInt) })),
})
const msats = z.string().regex(/^[1-9]\d{0,18}$/)

/**
 * Serves a Lightning address, whose invoices are of a node.
 *
 * @param path where the certificate is left, with an ending of its own
 * Source: LUD-06 and LUD-16.
 */
export async function startLightningPayee(
  path: string,
  node: ConnectedLnd,
): Promise<LightningPayee> {
  const { key, cert } = selfSigned([DOMAIN])
  const answer = async (url: URL): Promise<object> => {
    if (url.pathname === `/.well-known/lnurlp/${NAME}`) return PAY_REQUEST
    const amount = msats.parse(url.searchParams.get('amount'))
    const request = { value_msat: amount, memo: 'payout of sidepool' }
    const { payment_request } = await ask(node, made, 'addInvoice', request)
    return { pr: payment_request, routes: [] }
  }
  const server = createServer({ key, cert }, ({ url = '' }, response) => {
    answer(new URL(url, `https://${DOMAIN}`)).then(
      reply => response.end(JSON.stringify(reply)),
      () => response.end(JSON.stringify({ status: 'ERROR', reason: 'no invoice' })),
    )
  })
  await new Promise<void>(resolve => server.listen(0, HOST, resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const caFile = `${path}.cert`
  await writeFile(caFile, cert)
  return {
    address: `${NAME}@${DOMAIN}`,
    resolver: { address: HOST, httpsPort: address.port, caFile },
    receivedSats: async () => {
      const all = { num_max_invoices: INVOICES_MAX }
      const { invoices } = await ask(node, listed, 'listInvoices', all)
      const paid = invoices.filter(({ state }) => state === 'SETTLED')
      return paid.reduce((sum, { amt_paid_msat }) => sum + amt_paid_msat, 0n) / 1000n
    },
    stop: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

const PAY_REQUEST = {
  ...{ tag: 'payRequest', callback: `https://${DOMAIN}/invoice` },
  ...{ minSendable: 1000, maxSendable: 1_000_000_000_000 },
  metadata: `[["text/plain","payouts of ${NAME}"],["text/identifier","${NAME}@${DOMAIN}"]]`,
}
