import { z } from 'zod'

/** Where a node's JSON-RPC is and how to log in. Holds the password: never log it. */
export type NodeRpc = { readonly url: string; readonly user: string; readonly password: string }

const reply = z.object({
  result: z.unknown(),
  error: z.object({ code: z.number(), message: z.string() }).nullish(),
})

/**
 * Asks a node for devnet and tests. The result is as JSON gives it, amounts as floats too: the
 * pool's own client reads them exactly.
 *
 * @throws Error with the node's own words when it refuses or is away
 */
export async function callNode(
  rpc: NodeRpc,
  method: string,
  ...params: readonly unknown[]
): Promise<unknown> {
  const login = Buffer.from(`${rpc.user}:${rpc.password}`).toString('base64')
  const response = await fetch(rpc.url, {
    method: 'POST',
    headers: { authorization: `Basic ${login}`, 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '1.0', id: 0, method, params }),
  })
  const text = await response.text()
  if (!text.startsWith('{')) throw new Error(`${method}: HTTP ${response.status} ${text}`)
  const { result, error } = reply.parse(JSON.parse(text))
  if (error) throw new Error(`${method}: ${error.message} (${error.code})`)
  return result
}
