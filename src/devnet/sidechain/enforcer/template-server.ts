import { z } from 'zod'
import { toHex } from '../../../lib/bytes.ts'
import type { Clock } from '../../../lib/time.ts'
import { type HttpRequest, type HttpShell, startHttpShell } from '../http-shell.ts'
import { answerHttp, METHOD_NOT_FOUND, type RpcCall, type RpcOutcome } from '../json-rpc.ts'
import type { PlacedJson } from '../positioned-json.ts'
import { field, listOf, optional, readText } from '../serde.ts'
import type { NodeFollower } from './follow-node.ts'
import type { BlockProducer, NodeTemplate } from './producer.ts'
import { type BlockDraft, describeCoinbase, NOTHING_OWN } from './template.ts'

/** A long poll ends after that, with a template of the same tip. */
const LONG_POLL_MS = 30_000
const BODY_BYTES_MAX = 16 * 1024 * 1024
const TIP_CHARS = 64

const SYNCING = {
  code: -10,
  message: 'enforcer is still syncing, and cannot build block templates yet',
}

/**
 * The calls of the enforcer's template server: `getblocktemplate` and `submitblock`. A template
 * has `coinbasetxn` in the place of `coinbasevalue`, and counts `depends` from 0.
 *
 * Source: cusf-enforcer-mempool, lib/server.rs.
 *
 * @param isSyncing while it is true, every template is refused as at the start of the real one
 * @param payoutScript whom a block pays that nobody changes
 */
export function templateCalls(options: {
  readonly follower: NodeFollower
  readonly producer: BlockProducer
  readonly syncMempool: () => Promise<void>
  readonly isSyncing: () => boolean
  readonly payoutScript: () => Uint8Array
  readonly clock: Clock
}): (rpc: RpcCall) => Promise<RpcOutcome> {
  const { follower, producer, clock } = options
  let sequence = 0n

  async function getTemplate({ params }: RpcCall): Promise<RpcOutcome> {
    const request = params.read(0, 'request', readRequest)
    if (options.isSyncing()) return { kind: 'error', error: SYNCING }
    const tip = request.longpollid?.slice(0, TIP_CHARS)
    if (tip !== undefined) await waitForOtherTip(follower, tip)
    if (!request.capabilities?.includes('coinbasetxn'))
      return internal('the `coinbasetxn` GBT capability is required')
    await follower.sync()
    await options.syncMempool()
    const produced = await producer.draft(options.payoutScript(), false, NOTHING_OWN)
    if (produced.kind === 'stuck') return internal(produced.text)
    const id = `${produced.node.previousblockhash}${sequence.toString(16).padStart(16, '0')}`
    sequence += 1n
    // Its own clock, which after many quick blocks is behind what the chain allows.
    const now = Math.floor(clock.now() / 1000)
    const height = follower.tip().height + 1
    return { kind: 'result', value: templateJson(produced, { id, now, height }) }
  }

  async function submit({ params }: RpcCall): Promise<RpcOutcome> {
    const block = params.read(0, 'block_hex', readText)
    const refusal = await follower.call('submitblock', block).catch(String)
    return { kind: 'result', value: z.string().nullable().parse(refusal) }
  }

  async function call(rpc: RpcCall): Promise<RpcOutcome> {
    if (rpc.method === 'getblocktemplate') return getTemplate(rpc)
    if (rpc.method === 'submitblock') return submit(rpc)
    return { kind: 'error', error: METHOD_NOT_FOUND }
  }
  return call
}

function templateJson(
  { draft, node }: { readonly draft: BlockDraft; readonly node: NodeTemplate },
  { id, now, height }: { readonly id: string; readonly now: number; readonly height: number },
): object {
  return {
    version: node.version,
    rules: ['csv', '!segwit', 'taproot'],
    vbavailable: {},
    vbrequired: 0,
    previousblockhash: node.previousblockhash,
    transactions: draft.transactions.map(({ transaction, wtxid, fee, weight, depends }) => ({
      data: toHex(transaction.raw),
      txid: transaction.txid,
      hash: wtxid,
      depends,
      fee: Number(fee),
      sigops: null,
      weight,
    })),
    coinbaseaux: {},
    coinbasetxn: describeCoinbase(draft),
    longpollid: id,
    target: node.target,
    mintime: node.mintime,
    mutable: ['time', 'transactions', 'prevblock'],
    noncerange: '00000000ffffffff',
    sigoplimit: 80_000,
    sizelimit: 4_000_000,
    weightlimit: 4_000_000,
    curtime: now,
    bits: node.bits,
    height,
    signet_challenge: null,
    default_witness_commitment: toHex(draft.commitment),
  }
}

/** Serves them. */
export function startTemplateServer(
  port: number,
  call: (rpc: RpcCall) => Promise<RpcOutcome>,
): Promise<HttpShell> {
  const answer = (request: HttpRequest) => answerHttp(request, call)
  return startHttpShell({ port, bodyBytesMax: BODY_BYTES_MAX, answer })
}

function readRequest(json: PlacedJson) {
  const texts = optional(listOf(readText))
  const at = <T>(name: string, read: (json: PlacedJson) => T): T | null =>
    json.kind === 'object' && json.fields.has(name) ? field(json, name, read) : null
  return {
    capabilities: at('capabilities', texts) ?? undefined,
    longpollid: at('longpollid', optional(readText)) ?? undefined,
  }
}

function internal(data: string): RpcOutcome {
  return { kind: 'error', error: { code: -32603, message: 'Internal error', data } }
}

/** Bids that come meanwhile wake nobody. */
async function waitForOtherTip(follower: NodeFollower, tip: string): Promise<void> {
  const state = await follower.sync()
  if (state.tip !== tip) return
  await new Promise<void>(resolve => {
    const timer = setTimeout(done, LONG_POLL_MS).unref()
    const end = follower.onBlock(done)
    function done(): void {
      clearTimeout(timer)
      end()
      resolve()
    }
  })
}
