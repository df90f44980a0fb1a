import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { z } from 'zod'
import { NodeUnreachable, RpcError } from './bitcoin-core-client.ts'

export type JsonRpcOptions = {
  /** From the call to the last byte of the reply. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/**
 * A server of JSON-RPC 2.0 over HTTP, each call on a connection of its own.
 *
 * @throws RpcError when it answered that it will not
 * @throws NodeUnreachable when there is no answer: whether it was done is then unknown
 */
export type JsonRpc = (
  method: string,
  params: readonly unknown[],
  options: JsonRpcOptions,
) => Promise<unknown>

/** A longer reply counts as lost; the largest, a full template, has some 10 MB. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024

const replySchema = z.union([
  z.object({
    error: z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() }),
  }),
  z.object({ result: z.unknown() }),
])

/** @param url holds no user and password */
export function jsonRpcClient(url: string): JsonRpc {
  return async (method, params, { timeoutMs, signal }) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const deadline = AbortSignal.timeout(timeoutMs)
    const text = await post(url, body, signal ? AbortSignal.any([signal, deadline]) : deadline)
    const reply = replySchema.safeParse(jsonOf(text))
    if (!reply.success) throw new NodeUnreachable(`${method}: the reply is not JSON-RPC`)
    if (!('error' in reply.data)) return reply.data.result
    const { code, message, data } = reply.data.error
    throw new RpcError(code, typeof data === 'string' ? `${message}: ${data}` : message)
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function post(url: string, body: string, signal: AbortSignal): Promise<string> {
  const to = new URL(url)
  const request = to.protocol === 'https:' ? httpsRequest : httpRequest
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const outgoing = request(to, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    signal,
  })
  outgoing.on('error', reject)
  outgoing.on('response', response => void readWhole(response).then(resolve, reject))
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
