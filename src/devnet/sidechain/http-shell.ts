import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A request after its body has come. */
export type HttpRequest = {
  readonly method: string
  readonly path: string
  /** Without parameters, lower case; empty when the header is missing. */
  readonly contentType: string
  readonly body: string
}

/** What goes back. */
export type HttpReply =
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly contentType: string
      readonly body: string
    }
  /** The connection is closed without any reply. */
  | { readonly kind: 'hang up' }

export type HttpShell = {
  readonly url: string
  readonly port: number
  readonly close: () => Promise<void>
}

/**
 * A server on loopback that handles one request after the other on each connection, as the real
 * daemons do: a long poll keeps what was sent behind it on the same connection waiting.
 *
 * @param port 0 takes any free one
 * @param bodyBytesMax a longer body is answered with 413
 */
export async function startHttpShell(options: {
  readonly port: number
  readonly bodyBytesMax: number
  readonly answer: (request: HttpRequest) => Promise<HttpReply>
}): Promise<HttpShell> {
  const { bodyBytesMax, answer } = options
  const turns = new WeakMap<Socket, Promise<void>>()
  const server = createServer((incoming, outgoing) => {
    const { socket } = incoming
    const before = turns.get(socket) ?? Promise.resolve()
    turns.set(
      socket,
      // Whoever hung up in the middle is no event of ours.
      before
        .then(() => serve(incoming, outgoing))
        .catch(() => {
          socket.destroy()
        }),
    )
  })

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await readBody(incoming, bodyBytesMax)
    if (body === null) return send(outgoing, plainText(413, 'the request is too large'))
    const { method = '', url = '/', headers, socket } = incoming
    const [contentType = ''] = (headers['content-type'] ?? '').toLowerCase().split(';')
    const reply = await answer({ method, path: url, contentType: contentType.trim(), body })
    if (reply.kind === 'hang up') socket.destroy()
    else send(outgoing, reply)
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address !== 'object') throw new Error('the server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A reply of words for people. */
export function plainText(status: number, body: string): HttpReply {
  return { kind: 'reply', status, contentType: 'text/plain; charset=utf-8', body }
}

/** A reply of JSON; null closes the connection instead. */
export function jsonReply(status: number, body: string | null): HttpReply {
  if (body === null) return { kind: 'hang up' }
  return { kind: 'reply', status, contentType: 'application/json; charset=utf-8', body }
}

/**
 * What `jsonrpsee` says before it looks at a body.
 *
 * @returns null when the request is a POST of JSON
 */
export function refuseHttp({ method, contentType }: HttpRequest): HttpReply | null {
  if (method !== 'POST')
    return plainText(405, 'Used HTTP Method is not allowed. POST is required\n')
  if (contentType !== 'application/json') return plainText(415, WRONG_CONTENT_TYPE)
  return null
}

const WRONG_CONTENT_TYPE =
  'Supplied content type is not allowed. Content-Type: application/json is required\n'

async function readBody(incoming: IncomingMessage, bytesMax: number): Promise<string | null> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of incoming) {
    length += chunk.length
    if (length > bytesMax) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function send(outgoing: ServerResponse, reply: HttpReply): void {
  if (reply.kind === 'hang up') return
  outgoing.writeHead(reply.status, { 'content-type': reply.contentType })
  outgoing.end(reply.body)
}
