import { beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { HttpReply, HttpRequest } from '../../../src/devnet/sidechain/http-shell.ts'
import { criticalHash } from '../../../src/lib/thunder/block.ts'
import { blockJson, signedJson } from '../../../src/lib/thunder/json.ts'
import { thunderTxid, transactionBytes } from '../../../src/lib/thunder/transaction.ts'
import { bodyOf, RECORDED, type RecordedCall } from './recording.ts'
import { FIRST_LIFE, firstLife } from './script-first-life.ts'
import { LATER } from './script-later.ts'
import type { Replayed } from './scripted-node.ts'

const hash = z.string().length(64)

const THE_NODES_OWN = 'bitcoind is real in devnet and in every test, and nobody stands in for it'

/** What the stand-ins do not answer as recorded, and why not. Lines: only these of the method. */
const NOT_SUPPORTED: readonly {
  readonly method: string
  readonly lines?: readonly number[]
  readonly reason: string
}[] = [
  {
    method: 'thunder generate_mnemonic',
    reason: 'it takes the word list of BIP 39, and nobody needs a seed from a stand-in',
  },
  {
    method: 'enforcer MiningService/GenerateToAddress',
    lines: [30],
    reason: 'its reply is the hashes of new blocks; life.test.ts mines with it on a real node',
  },
  ...[
    'decoderawtransaction',
    'decodescript',
    'getbestblockhash',
    'getchaintips',
    'getmempoolentry',
    'getrawmempool',
    'getrawtransaction',
    'sendrawtransaction',
    'submitblock',
    'testmempoolaccept',
  ].map(method => ({ method: `bitcoind ${method}`, reason: THE_NODES_OWN })),
]

/** Asked while `mine` held the node's lock: it gets no reply before the next main block. */
const ASKED_UNDER_LOCK = 218
/** That block. */
const LOCK_ENDS_WITH = 221
/** From here on the node had two addresses, and a step begins with the one that was asked. */
const TWO_ADDRESSES_FROM = 564

type Compared = { readonly call: RecordedCall; readonly ours: unknown; readonly real: unknown }
const compared: Compared[] = []

/** Plays all lines in their order against the stand-ins. */
beforeAll(async () => {
  let now = firstLife()
  let mining: Promise<unknown> = Promise.resolve()
  let isLockedOut = true
  for (const call of RECORDED) {
    const { n, to, method } = call
    const begun = (FIRST_LIFE.get(n) ?? LATER.get(n))?.(now)
    if (begun instanceof Promise) await begun
    else if (begun !== undefined) now = begun
    if (n === ASKED_UNDER_LOCK) {
      mining = answerOf(now, { ...call, method: 'mine', params: [5111] })
      void answerOf(now, call).then(() => {
        isLockedOut = false
      })
    } else if (method === 'mine') {
      compared.push({ call, ours: await mining, real: recordedAnswer(call) })
    } else if (to === 'bitcoind') {
      if (n === LOCK_ENDS_WITH) expect(isLockedOut).toBe(true)
      followNode(now, call)
    } else {
      const ours = await answerOf(now, call).catch(String)
      compared.push({ call, ours, real: recordedAnswer(call) })
    }
  }
})

test('the stand-ins answer each recorded call that they support as the real ones did', () => {
  const supported = compared.filter(({ call }) => !isListed(call))
  const different = supported.filter(({ ours, real }) => textOf(ours) !== textOf(real))
  expect(different.map(({ call: { n, step }, ours, real }) => ({ n, step, ours, real }))).toEqual(
    [],
  )
  expect(supported.length).toBeGreaterThan(400)
})

test('every recorded side block and transaction has its hash by our codec', () => {
  const ofResult = <T>(method: string, shape: z.ZodType<T>) =>
    RECORDED.filter(call => call.method === method).flatMap(({ reply, params }) => {
      const { data } = z.object({ result: shape }).safeParse(reply)
      return data === undefined ? [] : [{ result: data.result, params }]
    })
  const templates = ofResult(
    'get_block_template',
    z.object({ critical_hash: hash, block: blockJson }),
  )
  for (const { result } of templates)
    expect(criticalHash(result.block.header)).toBe(result.critical_hash)
  const submitted = ofResult('submit_transaction', hash)
  for (const { result, params } of submitted) {
    const [{ transaction }] = z.tuple([signedJson]).parse(params)
    expect(thunderTxid(transactionBytes(transaction))).toBe(result)
  }
  expect([templates.length, submitted.length]).toEqual([30, 6])
})

test('what is listed as not supported is exactly that', () => {
  const answered = compared.filter(({ ours, real }) => textOf(ours) === textOf(real))
  const wronglyListed = answered.filter(({ call }) => isListed(call)).map(({ call }) => call.n)
  expect(wronglyListed).toEqual([])
  const recorded = new Set(RECORDED.map(nameOf))
  for (const { method } of NOT_SUPPORTED) expect(recorded, method).toContain(method)
  const ofNode = RECORDED.filter(({ to }) => to === 'bitcoind')
  expect(ofNode.filter(call => !isListed(call)).map(nameOf)).toEqual([])
})

const nameOf = ({ to, method }: RecordedCall) => `${to} ${method}`

function isListed(call: RecordedCall): boolean {
  return NOT_SUPPORTED.some(
    ({ method, lines }) => method === nameOf(call) && (lines?.includes(call.n) ?? true),
  )
}

/** A block that the recorder handed to the node is the next one of the scripted chain. */
function followNode(now: Replayed, { n, method, params, reply }: RecordedCall): void {
  if (method !== 'submitblock') return
  const [hex] = z.tuple([z.string()]).parse(params)
  const outcome = now.script.main.submit(hex)
  expect(outcome.reply, `line ${n}`).toBe(z.object({ result: z.unknown() }).parse(reply).result)
  now.announce()
}

async function answerOf(now: Replayed, call: RecordedCall): Promise<unknown> {
  const isPrivate = call.step.startsWith('private')
  const address = call.n < TWO_ADDRESSES_FROM ? 'all' : isPrivate ? 'private' : 'public'
  const { to } = call
  if (to === 'bitcoind') throw new Error('the node is not asked here')
  return answer(await now.ask(to, address, requestOf(call)))
}

function requestOf(call: RecordedCall): HttpRequest {
  const { to, method, verb = 'POST' } = call
  const isPlain = call.verb === undefined
  const isConnect = to === 'enforcer'
  const message = isConnect && isPlain ? JSON.stringify(call.params) : bodyOf(call)
  return {
    method: verb,
    path: isConnect ? `/cusf.mainchain.v1.${method}` : '/',
    contentType: isPlain ? 'application/json' : (call.content_type ?? ''),
    body: verb === 'GET' ? '' : message,
  }
}

function answer(reply: HttpReply): unknown {
  if (reply.kind === 'hang up') return { status: null, body: null }
  return { status: reply.status, body: apart(readBody(reply.body)) }
}

function recordedAnswer({ http, reply }: RecordedCall): unknown {
  return { status: http, body: apart(reply) }
}

function readBody(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

/** Forest, clocks and counters, and the hash of a side block, which the forest is part of. */
const APART = new Set([
  ...['roots', 'proof', 'critical_hash'],
  ...['curtime', 'mintime', 'timestamp', 'longpollid'],
])
/** The real enforcer names a block that it makes up, so its hash is chance. */
const MADE_UP_BLOCK = /(Error handling transaction `[0-9a-f]{64}` in block `)[0-9a-f]{64}/g

/** Without what may differ; coins are listed in no order. */
function apart(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(MADE_UP_BLOCK, '$1')
  if (Array.isArray(value)) {
    const all = value.map(apart)
    return all.some(isCoin) ? all.sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1)) : all
  }
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key]) => !APART.has(key))
  return Object.fromEntries(
    kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, apart(v)]),
  )
}

function isCoin(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'outpoint' in value
}

function textOf(value: unknown): string {
  return JSON.stringify(value)
}
