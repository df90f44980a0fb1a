import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { blockHash } from '../../src/lib/ids.ts'
import { enforcerTemplateClient } from '../../src/lib/nodes/enforcer-template-client.ts'
import { NodeUnreachable } from '../../src/lib/nodes/post-client.ts'
import { RpcError } from '../../src/lib/nodes/rpc-error.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { withEnforcer } from '../../src/pool/enforced-source.ts'
import { templateReply } from '../bmm/mempool.ts'
import vectors from '../vectors/enforcer-templates.json' with { type: 'json' }

/** What the recorded enforcer answered at a step; each answer is a whole body. */
function recorded(step: string) {
  const answer = vectors.answers.find(each => each.step.startsWith(step))
  if (!answer) throw new Error(`nothing was recorded at ${step}`)
  return answer.reply
}

const WITH_BID = recorded('template with one bid')
const TIP = blockHash('43a4956780a8331ebbbc91d4114bbebb46f3691d8ebb4b3e731c68c0772b2d49')

let server: Server
let url: string
/** What the enforcer of the test says next, and what it was asked. */
let answer: unknown
let asked: { readonly method: string; readonly params: readonly unknown[] }[]
let connections: Set<unknown>

const questionSchema = z.object({ id: z.int(), method: z.string(), params: z.array(z.unknown()) })

beforeEach(async () => {
  asked = []
  answer = WITH_BID
  connections = new Set()
  server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { id, ...question } = questionSchema.parse(JSON.parse(Buffer.concat(chunks).toString()))
    asked.push(question)
    connections.add(request.socket)
    response.writeHead(200, { 'content-type': 'application/json' })
    // What was recorded has the id of its own question.
    response.end(typeof answer === 'string' ? answer : JSON.stringify({ ...Object(answer), id }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
})
afterEach(() => server.close())

/** A node whose tip the test sets, and what was said about the enforcer. */
function beside() {
  const state = { tip: TIP, said: [] as string[] }
  const say = (_: object, text?: string) => void state.said.push(text ?? '')
  const node = withEnforcer({
    enforcer: enforcerTemplateClient(url),
    node: {
      getBlockHeader: async () => null,
      getBlockchainInfo: async () => ({
        ...{ chain: 'regtest', blocks: 1, headers: 1, isInitialBlockDownload: false },
        bestBlock: state.tip,
      }),
      getBlockTemplate: async () =>
        templateReply([], { previousBlock: state.tip, longPollId: 'of the node' }),
    },
    log: { info: say, warn: say, error: say },
  })
  return { state, node }
}

test('every recorded template is read, its commitments in order and its payout as value', async () => {
  const client = enforcerTemplateClient(url)
  let read = 0
  for (const { reply } of vectors.answers) {
    answer = reply
    if (!(reply && typeof reply === 'object' && 'result' in reply)) continue
    const template = await client.getBlockTemplate()
    expect(template).toMatchObject({ isEnforced: true, value: expect.any(BigInt) })
    expect(template.commitments.every(({ value }) => value === 0n)).toBe(true)
    read += 1
  }
  expect(read).toBeGreaterThan(15)
  answer = WITH_BID
  const { commitments, value, witnessCommitment, transactions } = await client.getBlockTemplate()
  expect(commitments.map(({ script }) => toHex(script).slice(0, 14))).toEqual([
    '6a06d77d177601',
    '6a25d161736809',
  ])
  expect(value).toBe(5_000_005_000n)
  expect(transactions.map(({ fee, sigops }) => [fee, sigops])).toEqual([[5000n, null]])
  expect(toHex(witnessCommitment ?? fromHex('')).slice(0, 12)).toBe('6a24aa21a9ed')
})

test('it is asked in its dialect, each time on a connection of its own', async () => {
  const client = enforcerTemplateClient(url)
  await client.getBlockTemplate({ longPollId: 'x' })
  answer = { jsonrpc: '2.0', id: 1, result: null }
  expect(await client.submitBlock(fromHex('abcd'))).toBeNull()
  answer = { jsonrpc: '2.0', id: 1, result: 'inconclusive' }
  expect(await client.submitBlock(fromHex('abcd'))).toBe('inconclusive')
  expect(asked[0]?.params[0]).toMatchObject({ capabilities: ['coinbasetxn'], longpollid: 'x' })
  expect(asked[1]).toEqual({ method: 'submitblock', params: ['abcd'] })
  expect(connections.size).toBe(3)
})

test('its refusals keep their words, and what is no answer is unknown', async () => {
  const client = enforcerTemplateClient(url)
  answer = recorded('template asked without the capability')
  const refusal = await client.getBlockTemplate().catch(error => error)
  expect(refusal).toBeInstanceOf(RpcError)
  expect(refusal.message).toContain('coinbasetxn')
  answer = 'Used HTTP Method is not allowed'
  await expect(client.getBlockTemplate()).rejects.toBeInstanceOf(NodeUnreachable)
})

test('while it is well its templates are taken', async () => {
  const { node, state } = beside()
  expect(await node.getBlockTemplate()).toMatchObject({ isEnforced: true, previousBlock: TIP })
  expect(state.said).toEqual([])
})

test('while it builds on another block than the node, the node is asked, and it is waited for', async () => {
  const { node, state } = beside()
  state.tip = blockHash('bb'.repeat(32))
  const reply = await node.getBlockTemplate()
  expect(reply).toMatchObject({ isEnforced: false, previousBlock: state.tip })
  expect(reply.longPollId?.slice(0, 64)).toBe(TIP)
  await node.getBlockTemplate({ longPollId: reply.longPollId ?? '' })
  expect(asked.at(-1)?.params[0]).toMatchObject({ longpollid: reply.longPollId })
  expect(state.said).toEqual([])
})

test('when it fails, work goes on with the node, and both changes are said once', async () => {
  const { node, state } = beside()
  for (const failure of [
    { jsonrpc: '2.0', id: 1, error: { code: -10, message: 'syncing' } },
    recorded('template while two first deposits are in the mempool'),
    'nonsense',
  ]) {
    answer = failure
    expect(await node.getBlockTemplate()).toMatchObject({ isEnforced: false, previousBlock: TIP })
  }
  expect(state.said).toHaveLength(1)
  answer = WITH_BID
  const back = async () => {
    const reply = await node.getBlockTemplate()
    return reply.isEnforced || null
  }
  expect(await pollUntil(back, { everyMs: 10, timeoutMs: 45_000 })).toBe(true)
  expect(state.said).toHaveLength(2)
})
