import { z } from 'zod'
import type { TemplateOptions } from './bitcoind-client.ts'
import { type BlockTemplateReply, enforcerTemplate, OUR_RULES } from './block-template.ts'
import { callJsonRpc } from './json-rpc-client.ts'
import type { Patience } from './post-client.ts'
import { RpcError } from './rpc-error.ts'

/** The enforcer's template server. Both throw `RpcError` or `NodeUnreachable`. */
export type EnforcerTemplateClient = {
  /** With a long poll id it answers when the tip changed, or after half a minute. */
  readonly getBlockTemplate: (options?: Partial<TemplateOptions>) => Promise<BlockTemplateReply>
  /** @returns null when it took the block, or its words; it only hands the block to its node */
  readonly submitBlock: (block: Uint8Array) => Promise<string | null>
}

/** It answers within milliseconds when it is well; miners do not wait longer for it. */
const TEMPLATE_TIMEOUT_MS = 5_000
/** It holds a long poll for 30 seconds at most. */
const LONG_POLL_TIMEOUT_MS = 60_000
const SUBMIT_TIMEOUT_MS = 30_000

/**
 * Asks in the enforcer's dialect: JSON-RPC 2.0, without a password, the capability `coinbasetxn`
 * named, and one request at a time on a connection, so that a block never waits for a long poll.
 *
 * @param url of the template server, not of the gRPC one
 */
export function enforcerTemplateClient(url: string): EnforcerTemplateClient {
  async function call(method: string, params: readonly unknown[], patience: Patience) {
    const outcome = await callJsonRpc({ url }, method, params, patience)
    if (outcome.kind === 'result') return outcome.result
    const { code, message, data } = outcome
    throw new RpcError(code, data === null ? message : `${message}: ${data}`)
  }
  return {
    getBlockTemplate: async ({ longPollId, signal } = {}) => {
      const request = {
        rules: OUR_RULES,
        capabilities: ['coinbasetxn'],
        ...(longPollId ? { longpollid: longPollId } : {}),
      }
      const reply = await call('getblocktemplate', [request], {
        timeoutMs: longPollId ? LONG_POLL_TIMEOUT_MS : TEMPLATE_TIMEOUT_MS,
        ...(signal ? { signal } : {}),
      })
      return enforcerTemplate.parse(reply)
    },
    submitBlock: async block => {
      const hex = Buffer.from(block).toString('hex')
      const word = await call('submitblock', [hex], { timeoutMs: SUBMIT_TIMEOUT_MS })
      return z
        .string()
        .nullish()
        .transform(text => text ?? null)
        .parse(word)
    },
  }
}
