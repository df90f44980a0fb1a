import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blockHash, txid } from '../../../src/lib/ids.ts'
import { callJsonRpc } from '../../../src/lib/nodes/json-rpc-client.ts'
import { NodeUnreachable } from '../../../src/lib/nodes/post-client.ts'
import { ThunderError, thunderClient } from '../../../src/lib/nodes/thunder-client.ts'
import { parseBareAddress } from '../../../src/lib/thunder/address.ts'
import { criticalHash } from '../../../src/lib/thunder/block.ts'
import { blockJson, signedJson, transactionJson } from '../../../src/lib/thunder/json.ts'
import { thunderTxid, transactionBytes } from '../../../src/lib/thunder/transaction.ts'
import recorded from '../../vectors/thunder/replies.json' with { type: 'json' }
import { type Answers, startAnswers } from './answers.ts'

let node: Answers
let wallet: Answers
beforeAll(async () => {
  node = await startAnswers()
  wallet = await startAnswers()
})
afterAll(async () => {
  await node.stop()
  await wallet.stop()
})

const client = (more: { authorization?: string } = {}) =>
  thunderClient({ publicUrl: node.url, privateUrl: wallet.url, network: 'regtest', ...more })

function line(n: number) {
  const found = recorded.thunder.find(each => each.n === n)
  if (!found) throw new Error(`line ${n} was not kept`)
  const params: readonly unknown[] = Array.isArray(found.params) ? found.params : []
  return { ...found, params }
}

/** Both addresses answer what was recorded, by the id of whoever asks. */
function replay(n: number): void {
  const { http, reply } = line(n)
  const body = typeof reply === 'string' ? reply : JSON.stringify({ ...reply, id: 1 })
  for (const side of [node, wallet])
    side.answer(http === null ? { kind: 'drop' } : { kind: 'reply', status: http, body })
}

/** What a call gave, after checking that it asked what was asked when it was recorded. */
async function asRecorded<T>(n: number, side: Answers, call: () => Promise<T>): Promise<T> {
  replay(n)
  const before = [node, wallet].map(each => each.asked().length)
  const outcome = await call()
  const after = [node, wallet].map(each => each.asked().length)
  expect(after).toEqual(before.map((count, i) => count + ([node, wallet][i] === side ? 1 : 0)))
  const { method, params } = line(n)
  expect(side.last().body).toEqual({ jsonrpc: '2.0', id: 1, method, params })
  return outcome
}

const failing = <T>(call: Promise<T>) =>
  call.then(
    () => null,
    (error: unknown) => error,
  )
const says = (reply: object, status = 200) => {
  for (const side of [node, wallet])
    side.answer({ kind: 'reply', status, body: JSON.stringify(reply) })
}
const bare = (text: string) => {
  const address = parseBareAddress(text)
  if (address === null) throw new Error(`${text} is no address`)
  return address
}
const A = bare('46mGHHQ2cvLLHYfJqyP4EuSDamdP')
const B = bare('319wXTGTjum2ty5ASyyM2PyXwSAC')
const FIRST = txid('39225dcbc380f56bd9048148a1732a235f872b763d2ca44a74b9d4f3900b7a8f')

describe('a Thunder node is asked for', () => {
  test('its coins', async () => {
    expect(await asRecorded(146, node, () => client().getUtxos([A, B]))).toEqual([
      {
        outPoint: { kind: 'deposit', hash: expect.stringMatching(/^ae754f22/), vout: 0 },
        output: { address: B, content: { kind: 'value', value: 30_000_000n } },
      },
      {
        outPoint: { kind: 'deposit', hash: expect.stringMatching(/^be82b2f6/), vout: 0 },
        output: { address: A, content: { kind: 'value', value: 50_000_000n } },
      },
    ])
  })

  test('spent coins, by a transaction or by a bundle', async () => {
    expect(await asRecorded(184, node, () => client().getStxos([A]))).toMatchObject([
      { outPoint: { kind: 'deposit' }, inPoint: { kind: 'regular', txid: FIRST, vin: 0 } },
    ])
    expect(await asRecorded(251, node, () => client().getStxos([B]))).toMatchObject([
      { inPoint: { kind: 'regular' } },
      {
        output: { content: { kind: 'withdrawal', value: 200_007n, mainFee: 1503n } },
        inPoint: { kind: 'withdrawal', m6id: expect.stringMatching(/^66ccceac/) },
      },
    ])
    expect(await asRecorded(200, node, () => client().getStxos([A, B]))).toHaveLength(3)
  })

  test('where its chain is, and where it begins', async () => {
    expect(await asRecorded(43, node, () => client().blockCount())).toBe(0)
    expect(await asRecorded(44, node, () => client().bestSidechainBlock())).toBeNull()
    expect(await asRecorded(45, node, () => client().bestMainchainBlock())).toBeNull()
    expect(await asRecorded(124, node, () => client().bestSidechainBlock())).toMatch(/^79560766/)
    expect(await asRecorded(125, node, () => client().bestMainchainBlock())).toMatch(/^50952550/)
    const side = 'ab9a3b0e3e7f7382888c86359b25e5598f5c4a540fe9d6d43d883ea0d7a8f982'
    expect(await asRecorded(324, node, () => client().bmmInclusions(side))).toHaveLength(2)
  })

  test('a block, or says that it has none', async () => {
    const hash = String(line(201).params[0])
    const block = await asRecorded(201, node, () => client().getBlock(hash))
    expect(block && criticalHash(block.header)).toBe(hash)
    expect(block?.body.transactions.length).toBeGreaterThan(2)
    const none = String(line(68).params[0])
    expect(await asRecorded(68, node, () => client().getBlock(none))).toBeNull()
  })

  test('a transaction, and null is no answer', async () => {
    const known = await asRecorded(183, node, () => client().getTransaction(FIRST))
    expect(known?.blockHash).toMatch(/^50484621/)
    expect(known && thunderTxid(transactionBytes(known.transaction))).toBe(FIRST)
    expect(await asRecorded(199, node, () => client().getTransaction(FIRST))).toBeNull()
  })

  test('bundles that leave for the main chain', async () => {
    expect(await asRecorded(65, node, () => client().pendingBundle())).toBeNull()
    expect(await asRecorded(234, node, () => client().pendingBundle())).toMatchObject([
      { output: { content: { kind: 'withdrawal', value: 200_000n } } },
      { outPoint: { kind: 'regular', vout: 0 }, output: { address: B } },
    ])
    expect(await asRecorded(66, node, () => client().lastFailedBundleHeight())).toBeNull()
  })
})

describe('a Thunder node does', () => {
  const signed = signedJson.parse(line(167).params[0])

  test('send a transaction, byte for byte as it was recorded', async () => {
    expect(await asRecorded(167, node, () => client().submitTransaction(signed))).toBe(FIRST)
  })

  for (const [n, words] of [
    [168, "node error: mempool error: can't add transaction, utxo double spent"],
    [186, 'node error: state error: utreexo error (Could not find node)'],
    [151, 'node error: state error: failed to verify authorization'],
    [156, 'node error: state error: wrong public key for address'],
    [165, 'Invalid params: No more params'],
  ] as const)
    test(`refuse one in its own words, though HTTP says 200: ${words}`, async () => {
      replay(n)
      const error = await failing(client().submitTransaction(signed))
      expect(error).toBeInstanceOf(ThunderError)
      expect(error).toMatchObject({ message: words, code: n === 165 ? -32602 : -1 })
    })

  test('sign by its private address, and send nothing', async () => {
    const unsigned = transactionJson.parse(line(149).params[0])
    const made = await asRecorded(149, wallet, () => client().signTransaction(unsigned))
    expect(made).toEqual(signed)
  })

  test('make a block by its private address, and take it by its public one', async () => {
    const made = await asRecorded(573, wallet, () => client().getBlockTemplate())
    expect(criticalHash(made.block.header)).toBe(made.criticalHash)
    expect(made.fees).toBe(1n)
    for (const [n, taken] of [
      [121, true],
      [114, false],
    ] as const) {
      const [block, main] = line(n).params
      const parsed = blockJson.parse(block)
      const connect = () => client().connectBlock(parsed, blockHash(String(main)))
      expect(await asRecorded(n, node, connect)).toBe(taken)
    }
  })

  test('say in its own words that it broke', async () => {
    const [block, main] = line(544).params
    for (const n of [544, 549]) {
      replay(n)
      const connect = client().connectBlock(blockJson.parse(block), blockHash(String(main)))
      expect(await failing(connect)).toMatchObject({
        name: 'ThunderError',
        message: expect.stringContaining('net task error'),
      })
    }
  })

  test('let go of blocks and transactions by its private address', async () => {
    const hash = String(line(356).params[0])
    await asRecorded(356, wallet, () => client().invalidateBlock(hash))
    await asRecorded(174, wallet, () => client().removeFromMempool(FIRST))
    expect(await asRecorded(56, wallet, () => client().walletAddresses())).toMatchObject([
      B,
      A,
      expect.stringMatching(/^scqz/),
    ])
  })
})

describe('no answer of a Thunder node', () => {
  const unreachable = async (call: Promise<unknown>, words: string | RegExp) => {
    const error = await failing(call)
    expect(error).toBeInstanceOf(NodeUnreachable)
    expect(String(error)).toMatch(words)
  }

  test('is a connection that closed, as in a panic', async () => {
    replay(456)
    await unreachable(client().invalidateBlock('00'.repeat(32)), /hang up|socket/)
  })

  test('is a reply that ends too early, or is of no JSON, or of another call', async () => {
    node.answer({ kind: 'cut', body: '{"jsonrpc":"2.0","id":1,"result":0' })
    await unreachable(client().blockCount(), /aborted|terminated/)
    for (const body of [
      ...[
        '',
        'busy',
        '[]',
        'null',
        '{"jsonrpc":"2.0","id":1}',
        '{"jsonrpc":"2.0","id":2,"result":0}',
      ],
      ...['{"jsonrpc":"2.0","id":null,"result":0}', '{"jsonrpc":"2.0","id":1,"error":"no"}'],
    ]) {
      node.answer({ kind: 'reply', status: 200, body })
      await unreachable(client().blockCount(), 'getblockcount: the reply is not JSON-RPC')
    }
  })

  test('is plain text with another status than 200', async () => {
    for (const n of [78, 79]) {
      replay(n)
      await unreachable(
        client().blockCount(),
        new RegExp(`getblockcount: HTTP ${line(n).http} \\w+`),
      )
    }
    node.answer({ kind: 'reply', status: 413, body: 'The request body is too large\n' })
    await unreachable(client().blockCount(), 'HTTP 413 The request body is too large')
  })

  test('is an error that may have come half-way', async () => {
    says({ jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'Internal error' } })
    await unreachable(client().submitTransaction(signedJson.parse(line(167).params[0])), '-32603')
    says({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error' } })
    await unreachable(client().blockCount(), 'Parse error')
  })

  test('is a reply that makes no sense: a float, a wrapped address, a template of another hash', async () => {
    says({ jsonrpc: '2.0', id: 1, result: 0.5 })
    await unreachable(client().blockCount(), 'getblockcount: a reply that makes no sense')
    says({ jsonrpc: '2.0', id: 1, result: [`s9_${A}_000000`] })
    await unreachable(client().walletAddresses(), 'makes no sense')
    const template = JSON.parse(JSON.stringify(line(573).reply))
    template.result.critical_hash = '00'.repeat(32)
    says({ ...template, id: 1 })
    await unreachable(client().getBlockTemplate(), 'makes no sense')
  })

  test('is silence until the caller has waited long enough, or gives up', async () => {
    node.answer({ kind: 'silence' })
    await unreachable(callJsonRpc({ url: node.url }, 'x', [], { timeoutMs: 20 }), /timeout|abort/)
    const giving = new AbortController()
    const call = callJsonRpc({ url: node.url }, 'x', [], { signal: giving.signal })
    giving.abort()
    await unreachable(call, 'abort')
  })

  test('is nobody at the address', async () => {
    const gone = await startAnswers()
    await gone.stop()
    const lost = thunderClient({ publicUrl: gone.url, privateUrl: gone.url, network: 'regtest' })
    await unreachable(lost.blockCount(), 'ECONNREFUSED')
  })
})

test('a header that lets us in is sent with each call, and nothing where none is set', async () => {
  replay(43)
  await client({ authorization: 'Bearer sesame' }).blockCount()
  expect(node.last().headers).toMatchObject({ authorization: 'Bearer sesame' })
  await client().blockCount()
  expect(node.last().headers.authorization).toBeUndefined()
})

test('methods are those of both addresses, and of one where they are the same', async () => {
  const schema = { paths: Object.fromEntries(recorded.methods.map(name => [name, {}])) }
  says({ jsonrpc: '2.0', id: 1, result: schema })
  const before = node.asked().length
  expect(await client().methods()).toEqual(new Set(recorded.methods))
  expect([node.last(), wallet.last()]).toMatchObject([
    { body: { method: 'openapi_schema' } },
    { body: { method: 'openapi_schema' } },
  ])
  const one = thunderClient({ publicUrl: node.url, privateUrl: node.url, network: 'regtest' })
  await one.methods()
  expect(node.asked().length - before).toBe(2)
})
