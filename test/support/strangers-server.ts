import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { selfSigned } from '../../src/devnet/certificate.ts'
import { parseIp } from '../../src/lib/ip-address.ts'
import type { Egress } from '../../src/lib/lightning/guarded-get-client.ts'

/** Names of which the server has a certificate. */
export const STRANGERS = ['pay.example.org', 'api.example.com']

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A server of somebody who means no good, or well, as each test has it. */
export type StrangersServer = {
  /** A network in which every name is this server, and which believes its certificate. */
  readonly egress: Egress
  /** `host` and path of each request that came. */
  readonly seen: readonly string[]
  /** Connections that were taken, spoken on or not. */
  readonly connections: () => number
  /** What it does from now on; forgets what it has seen. */
  readonly answerBy: (answer: Answer) => void
  readonly stop: () => Promise<void>
}

/** Long enough for a busy machine; only what never ends is waited for so long. */
const TIMEOUT_MS = 3000
const LOOPBACK = '127.0.0.1'

/** Call it in `beforeAll` and its `stop` in `afterAll`. */
export async function strangersServer(): Promise<StrangersServer> {
  const { key, cert } = selfSigned(STRANGERS)
  let answer: Answer = (_, response) => response.end()
  let seen: string[] = []
  let connections = 0
  const server = createServer({ key, cert }, (request, response) => {
    seen.push(`${request.headers.host}${request.url}`)
    answer(request, response)
  })
  server.on('connection', () => {
    connections++
  })
  await new Promise<void>(resolve => server.listen(0, LOOPBACK, resolve))
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const loopback = parseIp(LOOPBACK) ?? new Uint8Array(4)
  return {
    egress: {
      lookUp: async () => [loopback],
      isAllowed: each => each.join('.') === LOOPBACK,
      httpsPort: address.port,
      ca: cert,
      timeoutMs: TIMEOUT_MS,
    },
    get seen() {
      return seen
    },
    connections: () => connections,
    answerBy: next => {
      answer = next
      seen = []
      connections = 0
    },
    stop: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
