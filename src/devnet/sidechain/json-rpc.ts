import { unreachable } from '../../lib/assert.ts'
import { type HttpReply, type HttpRequest, jsonReply, refuseHttp } from './http-shell.ts'
import { type PlacedJson, readPlacedJson } from './positioned-json.ts'
import { type Read, type ReadOutcome, readWith } from './serde.ts'

/** What a call comes to. */
export type RpcOutcome =
  | { readonly kind: 'result'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: RpcError }
  /** The connection closes without a reply: the process ended, or a fault was asked for. */
  | { readonly kind: 'hang up' }

export type RpcError = {
  readonly code: number
  readonly message: string
  readonly data?: string
}

/** A call as it came, and how its parameters are read. */
export type RpcCall = {
  readonly method: string
  readonly params: RpcParams
}

/** Reads one parameter after the other, as `jsonrpsee` does; the first wrong one is the answer. */
export type RpcParams = {
  /**
   * @param index place in a positional list
   * @param name key in a named one; its camelCase spelling is taken too
   */
  readonly read: <T>(index: number, name: string, read: Read<T>) => T
  /** As `read`, for a parameter that may be left off or null. */
  readonly readOptional: <T>(index: number, name: string, read: Read<T>) => T | null
}

/** Thrown by `RpcParams`, and caught where calls are answered. */
class InvalidParams extends Error {}

export const METHOD_NOT_FOUND: RpcError = { code: -32601, message: 'Method not found' }
const PARSE_ERROR: RpcError = { code: -32700, message: 'Parse error' }
const INVALID_REQUEST: RpcError = { code: -32600, message: 'Invalid request' }
/** Longer batches are answered as one invalid request. */
const BATCH_CALLS_MAX = 1000

/** Answers a request as `jsonrpsee` does, what is no call at all too. */
export async function answerHttp(
  request: HttpRequest,
  call: (call: RpcCall) => Promise<RpcOutcome>,
): Promise<HttpReply> {
  return refuseHttp(request) ?? jsonReply(200, await answerBody(request.body, call))
}

/**
 * Answers the body of a POST as `jsonrpsee` 0.26 does, batches and notifications too. HTTP status
 * is 200 whatever the answer.
 *
 * @returns the reply's body, or null when the connection is to close without one
 */
async function answerBody(
  body: string,
  call: (call: RpcCall) => Promise<RpcOutcome>,
): Promise<string | null> {
  const json = readPlacedJson(body)
  if (json === null) return JSON.stringify(failure(null, PARSE_ERROR))
  if (json.kind !== 'array') {
    const reply = await answerOne(body, json, call)
    return reply === null ? null : JSON.stringify(reply.kind === 'none' ? null : reply.body)
  }
  if (json.items.length === 0 || json.items.length > BATCH_CALLS_MAX)
    return JSON.stringify(failure(null, INVALID_REQUEST))
  const replies: unknown[] = []
  for (const { value } of json.items) {
    const reply = await answerOne(body, value, call)
    if (reply === null) return null
    if (reply.kind === 'reply') replies.push(reply.body)
  }
  return JSON.stringify(replies)
}

type Reply = { readonly kind: 'reply'; readonly body: object } | { readonly kind: 'none' }

async function answerOne(
  source: string,
  json: PlacedJson,
  call: (call: RpcCall) => Promise<RpcOutcome>,
): Promise<Reply | null> {
  const fields = json.kind === 'object' ? json.fields : new Map<string, PlacedJson>()
  const id = idOf(fields.get('id'))
  const version = fields.get('jsonrpc')
  const method = fields.get('method')
  const isVersion2 = version?.kind === 'string' && version.value === '2.0'
  if (!isVersion2 || method?.kind !== 'string')
    return { kind: 'reply', body: failure(id ?? null, INVALID_REQUEST) }
  if (id === undefined) return { kind: 'none' }
  const params = paramsOf(source, fields.get('params'))
  const outcome = await call({ method: method.value, params }).catch(error => {
    if (!(error instanceof InvalidParams)) throw error
    const invalid = { code: -32602, message: 'Invalid params', data: error.message }
    return { kind: 'error' as const, error: invalid }
  })
  switch (outcome.kind) {
    case 'result':
      return { kind: 'reply', body: { jsonrpc: '2.0', id, result: outcome.value } }
    case 'error':
      return { kind: 'reply', body: failure(id, outcome.error) }
    case 'hang up':
      return null
    default:
      return unreachable(outcome)
  }
}

function failure(id: unknown, error: RpcError): object {
  return { jsonrpc: '2.0', id, error }
}

/** Undefined for a notification, which gets no reply. */
function idOf(json: PlacedJson | undefined): string | number | null | undefined {
  if (json === undefined) return undefined
  if (json.kind === 'string') return json.value
  return json.kind === 'number' ? Number(json.text) : null
}

function paramsOf(source: string, json: PlacedJson | undefined): RpcParams {
  function find(index: number, name: string): { value: PlacedJson; from: number } | null {
    if (json?.kind === 'array') {
      const item = json.items[index]
      return item ? { value: item.value, from: item.after } : null
    }
    if (json?.kind !== 'object') return null
    const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    const value = json.fields.get(name) ?? json.fields.get(camel)
    return value === undefined ? null : { value, from: startOf(source, json) }
  }
  return {
    read(index, name, read) {
      const found = find(index, name)
      if (found === null) {
        const isNamed = json?.kind === 'object'
        throw new InvalidParams(isNamed ? `missing field \`${name}\`` : 'No more params')
      }
      return settled(readWith(read, found.value, { source, from: found.from }))
    },
    readOptional(index, name, read) {
      const found = find(index, name)
      if (found === null || found.value.kind === 'null') return null
      return settled(readWith(read, found.value, { source, from: found.from }))
    },
  }
}

/** Where an object begins is not kept, since only named parameters ask for it. */
function startOf(source: string, params: PlacedJson): number {
  return source.lastIndexOf('"params"', params.end) + '"params":'.length
}

function settled<T>(outcome: ReadOutcome<T>): T {
  if (outcome.kind === 'refused') throw new InvalidParams(outcome.text)
  return outcome.value
}
