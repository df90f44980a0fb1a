import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { z } from 'zod'
import { bigintFromLe, parseHex } from '../lib/bytes.ts'
import { createHeaderHash } from './header-hash.ts'

/** A block has at most 4 MB and twice as many hex digits. What is longer is refused with 413. */
const BODY_BYTES_MAX = 16 * 1024 * 1024
const HEADER_BYTES = 80
const TARGET = /("target"\s*:\s*")([0-9a-f]{64})(")/

const rpcCall = z.object({
  jsonrpc: z.string().optional(),
  id: z.unknown(),
  method: z.string(),
  params: z.unknown(),
})
type RpcCall = z.infer<typeof rpcCall>
const blockParams = z.union([
  z.tuple([z.string()], z.unknown()).transform(([hex]) => hex),
  z.object({ hexdata: z.string() }).transform(({ hexdata }) => hexdata),
])

/** Stands between a pool and a regtest node. */
export type HardeningProxy = {
  /** For the pool in place of the node's; user and password stay the node's. */
  readonly url: string
  readonly close: () => Promise<void>
}

/**
 * On regtest almost every hash is a block, which leaves nothing for shares to be. This proxy makes
 * blocks rarer without touching the chain's rules: in a template the `target` becomes a harder one,
 * and a block that misses it is refused with `high-hash` as the node would refuse it. A block that
 * meets it is valid for the node too. All else, `bits` as well, passes byte for byte.
 *
 * @param target blocks that the pool finds are at or below it; an easier one than the node's own
 *   changes nothing
 */
export async function startHardeningProxy(options: {
  readonly nodeUrl: string
  readonly target: bigint
}): Promise<HardeningProxy> {
  const { nodeUrl, target } = options
  const hashHeader = await createHeaderHash()
  const meetsTarget = (block: Uint8Array) =>
    bigintFromLe(hashHeader(block.subarray(0, HEADER_BYTES))) <= target

  const server = createServer((incoming, outgoing) => {
    // A pool that hangs up in the middle is no event of ours.
    outgoing.on('error', () => {})
    void readBody(incoming).then(body => {
      if (body === null) return refuse(outgoing, 413, 'the request is too long')
      const call = parseCall(body)
      if (call === 'batch') return refuse(outgoing, 400, 'the proxy takes one call at a time')
      const block = call?.method === 'submitblock' ? blockOf(call) : null
      if (call && block && !meetsTarget(block)) return answer(outgoing, call, 'high-hash')
      const harden = call?.method === 'getblocktemplate'
      forward({ nodeUrl, incoming, body, outgoing, target: harden ? target : null })
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address !== 'object') throw new Error('the proxy has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readBody(incoming: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of incoming) {
      length += chunk.length
      if (length > BODY_BYTES_MAX) return null
      chunks.push(chunk)
    }
  } catch {
    // The pool hung up; the answer will find nobody.
  }
  return Buffer.concat(chunks)
}

/** Null for what is not a call at all: the node shall say so itself. */
function parseCall(body: Buffer): RpcCall | 'batch' | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (Array.isArray(value)) return 'batch'
    return rpcCall.safeParse(value).data ?? null
  } catch {
    return null
  }
}

/** Null for what cannot be a block: the node shall say so itself. */
function blockOf(call: RpcCall): Uint8Array | null {
  const hex = blockParams.safeParse(call.params).data
  const block = hex === undefined ? null : parseHex(hex.toLowerCase())
  return block !== null && block.length >= HEADER_BYTES ? block : null
}

function forward(exchange: {
  readonly nodeUrl: string
  readonly incoming: IncomingMessage
  readonly body: Buffer
  readonly outgoing: ServerResponse
  readonly target: bigint | null
}): void {
  const { nodeUrl, incoming, body, outgoing, target } = exchange
  const headers = { ...incoming.headers, connection: 'close', 'content-length': body.length }
  // No time limit: a long poll is answered when there is something new, however late.
  const upstream = request(nodeUrl, { method: incoming.method, path: incoming.url, headers })
  upstream.on('response', reply => {
    const head = { ...reply.headers }
    // The connection to the pool is another one than that to the node.
    delete head.connection
    if (target === null) {
      outgoing.writeHead(reply.statusCode ?? 502, head)
      reply.on('error', () => outgoing.destroy())
      reply.pipe(outgoing)
      return
    }
    reply.setEncoding('utf8')
    let text = ''
    reply.on('data', chunk => {
      text += chunk
    })
    reply.on('error', () => outgoing.destroy())
    reply.on('end', () => {
      const hardened = Buffer.from(hardenTarget(text, target))
      outgoing.writeHead(reply.statusCode ?? 502, { ...head, 'content-length': hardened.length })
      outgoing.end(hardened)
    })
  })
  // A node that is away looks to the pool as it would without us: the connection breaks.
  upstream.on('error', () => outgoing.destroy())
  outgoing.on('close', () => upstream.destroy())
  upstream.end(body)
}

/** An error, or a proposal's verdict, has no target and stays as it is. */
function hardenTarget(text: string, target: bigint): string {
  return text.replace(TARGET, (_, before: string, hex: string, after: string) => {
    const nodes = BigInt(`0x${hex}`)
    const harder = nodes < target ? nodes : target
    return `${before}${harder.toString(16).padStart(64, '0')}${after}`
  })
}

function answer(outgoing: ServerResponse, call: RpcCall, result: string): void {
  const { id } = call
  const isVersion2 = call.jsonrpc === '2.0'
  const reply = isVersion2 ? { jsonrpc: '2.0', result, id } : { result, error: null, id }
  outgoing.writeHead(200, { 'content-type': 'application/json' })
  outgoing.end(JSON.stringify(reply))
}

function refuse(outgoing: ServerResponse, status: number, reason: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain', connection: 'close' })
  outgoing.end(reason)
}
