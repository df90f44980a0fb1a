import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { assert } from '../../../src/lib/assert.ts'
import { blockJson, signedJson } from '../../../src/lib/thunder/json.ts'

const VECTORS = join(import.meta.dirname, '../../vectors/thunder')

const line = z.object({
  n: z.number(),
  step: z.string(),
  to: z.enum(['thunder', 'enforcer', 'gbt', 'bitcoind']),
  method: z.string().nullable(),
  params: z.unknown(),
  http: z.number().nullable(),
  reply: z.unknown(),
  outcome: z.string().optional(),
  verb: z.string().optional(),
  content_type: z.string().nullish(),
  raw_body: z.string().nullish(),
})

/** One call to a real node and what it said. */
export type RecordedCall = z.infer<typeof line>

/** All of them, in the order in which they were made. Source: test/vectors/thunder/README.md. */
export const RECORDED: readonly RecordedCall[] = readFileSync(
  join(VECTORS, 'conversation.jsonl'),
  'utf8',
)
  .trim()
  .split('\n')
  .map(text => line.parse(JSON.parse(text)))

export function recordedCall(n: number): RecordedCall {
  const found = RECORDED.find(each => each.n === n)
  assert(found !== undefined, 'a recorded call that is asked for is there')
  return found
}

const result = z.object({ result: z.unknown() })

/** The result of a JSON-RPC reply. */
export function resultOf(n: number): unknown {
  return result.parse(recordedCall(n).reply).result
}

/** A raw transaction that the node was asked for, plain or decoded. */
export function rawOf(n: number): string {
  const shape = z.union([z.string(), z.object({ hex: z.string() }).transform(({ hex }) => hex)])
  return shape.parse(resultOf(n))
}

/** The side block of a recorded `connect_block`. */
export function blockOf(n: number) {
  return blockJson.parse(z.array(z.unknown()).parse(recordedCall(n).params)[0])
}

/** The transaction of a recorded `submit_transaction`, or a side block's only one. */
export function signedOf(n: number) {
  const [first] = z.array(z.unknown()).parse(recordedCall(n).params)
  if (recordedCall(n).method === 'submit_transaction') return signedJson.parse(first)
  const { body } = blockOf(n)
  const [transaction] = body.transactions
  assert(transaction !== undefined, 'the block has a transaction')
  return { transaction, authorizations: body.authorizations }
}

/**
 * The body as it went over the wire: places that errors name count its spaces. The recorder was
 * written in Python, whose `json.dumps` puts one after each comma and colon.
 */
export function bodyOf({ n, method, params, raw_body }: RecordedCall): string {
  if (typeof raw_body === 'string') return raw_body
  const call = { jsonrpc: '2.0', id: n, method }
  return pythonJson(params === null ? call : { ...call, params })
}

function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).map(
    ([key, each]) => `${JSON.stringify(key)}: ${pythonJson(each)}`,
  )
  return `{${entries.join(', ')}}`
}
