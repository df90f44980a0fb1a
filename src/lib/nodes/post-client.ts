import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

/** No answer of a daemon: not reached, timed out, cut off, or not readable. It may have acted. */
export class NodeUnreachable extends Error {
  override readonly name = 'NodeUnreachable'
}

/** When a caller stops waiting. */
export type Patience = {
  /** From the call to the last byte of the reply. */
  readonly timeoutMs: number | 'none'
  readonly signal?: AbortSignal | undefined
}

/** A reply as it came, whatever its status. */
export type PostReply = {
  readonly statusCode: number
  readonly statusMessage: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
}

/** A longer reply counts as lost; the largest, a full block with its details, has some 20 MB. */
const REPLY_BYTES_MAX = 128 * 1024 * 1024

/**
 * Posts JSON to a daemon and reads the whole reply. Each call has a connection of its own: a reply
 * lost with a kept one could not be told.
 *
 * @throws NodeUnreachable when there is no whole reply in time
 */
export async function postJson(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  { timeoutMs, signal }: Patience,
): Promise<PostReply> {
  const signals = [
    ...(timeoutMs === 'none' ? [] : [AbortSignal.timeout(timeoutMs)]),
    ...(signal ? [signal] : []),
  ]
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  const { promise, resolve, reject } = Promise.withResolvers<PostReply>()
  const outgoing = request(url, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...headers,
    },
    signal: AbortSignal.any(signals),
  })
  outgoing.on('error', reject)
  outgoing.on('response', response => {
    const { statusCode = 0, statusMessage = '', headers } = response
    readWhole(response).then(body => resolve({ statusCode, statusMessage, headers, body }), reject)
  })
  outgoing.end(body)
  return promise.catch(error => {
    throw new NodeUnreachable(error instanceof Error ? error.message : String(error))
  })
}

async function readWhole(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > REPLY_BYTES_MAX) throw new Error('the reply is too long')
    read.push(chunk)
  }
  return Buffer.concat(read).toString('utf8')
}
