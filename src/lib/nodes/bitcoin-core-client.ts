import Client from 'bitcoin-core'
import { z } from 'zod'
import { NodeUnreachable, type PostReply, postJson } from './post-client.ts'
import { RpcError } from './rpc-error.ts'

/** Where a node's JSON-RPC is and how to log in. Holds the password: never log it. */
export type NodeAccess = {
  readonly url: string
  readonly user: string
  readonly password: string
}

export type CallOptions = {
  /** The wallet that is asked; without it the node itself. */
  readonly wallet?: string
  /** From the call to the last byte of the reply; 30 seconds unless told. */
  readonly timeoutMs?: number | 'none'
  readonly signal?: AbortSignal
}

/**
 * A node's RPC, any method. Results are JSON values, with one difference: a number whose literal
 * has more than 15 characters is that literal, as a string, so that nothing is rounded.
 */
export type NodeRpc = {
  /**
   * @throws RpcError when the node answered that it will not
   * @throws NodeUnreachable when there is no answer: whether it was done is then unknown
   */
  readonly call: (
    method: string,
    params: readonly unknown[],
    options?: CallOptions,
  ) => Promise<unknown>
}

const CALL_TIMEOUT_MS = 30_000
/** The codes of the node are negative; a positive one is a status of HTTP. */
const HTTP_UNAUTHORIZED = 401
/**
 * Internal error and parse error: a node says them when it broke down half-way, and the package
 * itself where a reply lacks its result or its error. Neither proves that nothing was done.
 */
const UNCLEAR_CODES: readonly number[] = [-32603, -32700]
const SILENT = { debug: () => undefined }

const packageRequest = z.object({ body: z.string(), uri: z.string() })
const packageError = z.object({ name: z.literal('RpcError'), code: z.int(), message: z.string() })

/**
 * The RPC of a node by the package `bitcoin-core`: it makes the request and reads the reply, while
 * the bytes travel by our own transport (docs/decisions/0001-node-rpc-transport.md says why).
 */
export function connectNode(access: NodeAccess): NodeRpc {
  async function call(method: string, params: readonly unknown[], options: CallOptions = {}) {
    const name = method.toLowerCase()
    const { wallet } = options
    const client = new Client({
      host: access.url,
      logger: SILENT,
      ...(wallet === undefined ? {} : { wallet: encodeURIComponent(wallet) }),
    })
    // The package asks a wallet only by methods that it knows to be a wallet's, and would ask by any
    // other one the node's default wallet, which may be another's money.
    const features = { multiwallet: { supported: wallet !== undefined } }
    client.methods = { ...client.methods, [name]: { supported: true, features } }
    let isSent = false
    const postAsync = (request: unknown) => {
      const { body, uri } = packageRequest.parse(request)
      isSent = true
      return post(access, { body, uri, options })
    }
    client.request = { postAsync, getAsync: refuseGet, defaults: () => client.request }
    try {
      return await client.command<unknown>(name, ...params)
    } catch (error) {
      throw isSent ? translated(error, name) : error
    }
  }
  return { call }
}

function refuseGet(): never {
  throw new Error('the REST interface is not used')
}

/** Any failure after the request has left is the node's refusal, or no answer at all. */
function translated(error: unknown, method: string): Error {
  if (error instanceof NodeUnreachable) return error
  const parsed = packageError.safeParse(error)
  if (!parsed.success) return new NodeUnreachable(`${method}: the reply is not JSON-RPC`)
  const { code, message } = parsed.data
  if (code === HTTP_UNAUTHORIZED)
    return new NodeUnreachable(`${method}: the node refuses this user and password`)
  if (UNCLEAR_CODES.includes(code)) return new NodeUnreachable(`${method}: ${message} (${code})`)
  if (code > 0) return new NodeUnreachable(`${method}: HTTP ${code} ${message}`)
  return new RpcError(code, message)
}

async function post(
  access: NodeAccess,
  call: { readonly body: string; readonly uri: string; readonly options: CallOptions },
): Promise<PostReply> {
  const { timeoutMs = CALL_TIMEOUT_MS, signal } = call.options
  const login = Buffer.from(`${access.user}:${access.password}`).toString('base64')
  const url = new URL(call.uri, access.url)
  const headers = { authorization: `Basic ${login}` }
  const reply = await postJson(url, headers, call.body, { timeoutMs, signal })
  // The package would take a list for the results of a batch, which is never asked for here.
  if (reply.body.startsWith('[')) throw new NodeUnreachable('the reply is a list')
  return reply
}
