import { z } from 'zod'
import { NodeUnreachable, type Patience, postJson } from './post-client.ts'

/** Where a daemon answers JSON-RPC 2.0. */
export type JsonRpcAccess = {
  readonly url: string
  /** The whole header, where the daemon stands behind something that asks for one; never log it. */
  readonly authorization?: string | undefined
}

/** What a daemon answered. */
export type JsonRpcOutcome =
  | { readonly kind: 'result'; readonly result: unknown }
  | {
      readonly kind: 'refused'
      readonly code: number
      readonly message: string
      /** What some libraries say only here; null where there is nothing. */
      readonly data: string | null
    }

/** Each call has a connection of its own, so that no two replies can be taken for each other. */
const ID = 1
const CALL_TIMEOUT_MS = 30_000
const HTTP_OK = 200

const error = z.object({
  code: z.int(),
  message: z.string(),
  data: z.unknown().optional(),
})
const reply = z.union([
  z.object({ id: z.literal(ID), error }),
  // The daemon could not read so far as to know whose call it was.
  z.object({ id: z.null(), error }),
  z.object({ id: z.literal(ID), result: z.unknown() }),
])

/**
 * Calls a method with its parameters in their order. A refusal comes with HTTP 200 as a result
 * does; any other status means that no method was reached.
 *
 * @throws NodeUnreachable where there is no answer, or none of JSON-RPC: it may have been done
 * Source: JSON-RPC 2.0; jsonrpsee 0.26, which Thunder and the enforcer use.
 */
export async function callJsonRpc(
  { url, authorization }: JsonRpcAccess,
  method: string,
  params: readonly unknown[],
  { timeoutMs = CALL_TIMEOUT_MS, signal }: Partial<Patience> = {},
): Promise<JsonRpcOutcome> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: ID, method, params })
  const headers = authorization === undefined ? {} : { authorization }
  const { statusCode, body: text } = await postJson(new URL(url), headers, body, {
    timeoutMs,
    signal,
  })
  if (statusCode !== HTTP_OK)
    throw new NodeUnreachable(`${method}: HTTP ${statusCode} ${firstLine(text)}`.trim())
  const parsed = reply.safeParse(parseJson(text))
  if (!parsed.success) throw new NodeUnreachable(`${method}: the reply is not JSON-RPC`)
  if (!('error' in parsed.data)) return { kind: 'result', result: parsed.data.result }
  const { code, message, data } = parsed.data.error
  return { kind: 'refused', code, message, data: typeof data === 'string' ? data : null }
}

/** JSON, or undefined where a text is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const LINE_CHARS_MAX = 200

function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').slice(0, LINE_CHARS_MAX)
}
