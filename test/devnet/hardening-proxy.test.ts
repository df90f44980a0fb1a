import { hash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { type HardeningProxy, startHardeningProxy } from '../../src/devnet/hardening-proxy.ts'
import { callNode } from '../../src/devnet/node-rpc.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

/** One hash in 16 of those that the node would take meets it. */
const TARGET = 2n ** 251n - 1n
const RULES = { rules: ['segwit'] }

let node: TestNode
let proxy: HardeningProxy

beforeAll(async () => {
  node = await testNode()
  await node.mine(1)
  proxy = await startHardeningProxy({ nodeUrl: node.rpc.url, target: TARGET })
})

afterAll(async () => {
  await proxy.close()
  await node.remove()
})

const throughProxy = (method: string, ...params: readonly unknown[]) =>
  callNode({ ...node.rpc, url: proxy.url }, method, ...params)

const record = z.record(z.string(), z.unknown())

/** The reply's bytes, as the pool would get them. */
async function rawReply(url: string, body: string) {
  const login = Buffer.from(`${node.rpc.user}:${node.rpc.password}`).toString('base64')
  const headers = { authorization: `Basic ${login}`, 'content-type': 'application/json' }
  const reply = await fetch(url, { method: 'POST', headers, body })
  return { status: reply.status, text: await reply.text() }
}

test('in a template the target is harder and nothing else is different', async () => {
  const hardened = record.parse(await throughProxy('getblocktemplate', RULES))
  const original = record.parse(await node.cli('getblocktemplate', RULES))
  expect(hardened['target']).toBe(TARGET.toString(16).padStart(64, '0'))
  expect(original['target']).toBe(`7fffff${'0'.repeat(58)}`)
  const sameTime = { curtime: original['curtime'], target: original['target'] }
  expect({ ...hardened, ...sameTime }).toEqual(original)
})

test('a target that is easier than that of the node changes nothing', async () => {
  const easy = await startHardeningProxy({ nodeUrl: node.rpc.url, target: 2n ** 256n - 1n })
  const template = await callNode({ ...node.rpc, url: easy.url }, 'getblocktemplate', RULES)
  expect(record.parse(template)['target']).toBe(`7fffff${'0'.repeat(58)}`)
  await easy.close()
})

test('other calls, errors and what is no call pass byte for byte', async () => {
  const bodies = [
    '{"id":"ä","method":"getblockcount"}',
    '{"jsonrpc":"2.0","id":7,"method":"getblock","params":["00"]}',
    '{"id":1,"method":"submitblock","params":["zz"]}',
    '{"id":1,"method":"getblocktemplate","params":[]}',
    'nonsense',
  ]
  for (const body of bodies)
    expect(await rawReply(proxy.url, body)).toEqual(await rawReply(node.rpc.url, body))
  expect((await rawReply(proxy.url, '[{"id":1,"method":"submitblock"}]')).status).toBe(400)
})

test('a wrong password is refused by the node as ever', async () => {
  const stranger = { url: proxy.url, user: 'sidepool', password: 'wrong' }
  await expect(callNode(stranger, 'getblockcount')).rejects.toThrow('401')
})

test('a block above the harder target is refused, and one that meets it is accepted', async () => {
  const block = await unsubmittedBlock()
  const height = await node.cli('getblockcount')
  const missing = withNonce(block, justMisses)
  expect(await throughProxy('submitblock', missing)).toBe('high-hash')
  expect(await node.cli('getblockcount')).toBe(height)
  // The node itself would have taken it, so it was the proxy that refused.
  const meeting = withNonce(block, value => value <= TARGET)
  expect(await throughProxy('submitblock', meeting)).toBeNull()
  expect(await node.cli('getblockcount')).toBe(Number(height) + 1)
  const other = withNonce(await unsubmittedBlock(), justMisses)
  expect(await node.cli('submitblock', other)).toBeNull()
})

test('a refusal is in the version of JSON-RPC that was asked', async () => {
  const block = withNonce(await unsubmittedBlock(), justMisses)
  const body = (version: object) =>
    JSON.stringify({ ...version, id: 'x', method: 'submitblock', params: [block] })
  expect(await rawReply(proxy.url, body({}))).toEqual({
    status: 200,
    text: '{"result":"high-hash","error":null,"id":"x"}',
  })
  expect(await rawReply(proxy.url, body({ jsonrpc: '2.0' }))).toEqual({
    status: 200,
    text: '{"jsonrpc":"2.0","result":"high-hash","id":"x"}',
  })
})

test('several long polls wait at once and end with the next block', async () => {
  const template = record.parse(await throughProxy('getblocktemplate', RULES))
  const poll = { ...RULES, longpollid: template['longpollid'] }
  const waiting = [1, 2, 3].map(() => throughProxy('getblocktemplate', poll))
  const first = await Promise.race([...waiting, throughProxy('getblockcount')])
  expect(first).toBe(await node.cli('getblockcount'))
  const [tip] = await node.mine(1)
  for (const each of waiting)
    expect(await each).toMatchObject({
      previousblockhash: tip,
      target: TARGET.toString(16).padStart(64, '0'),
    })
})

test('a node that is away breaks the connection, and the proxy serves on when it is back', async () => {
  await node.stop()
  await expect(throughProxy('getblockcount')).rejects.toThrow()
  await node.restart()
  expect(await throughProxy('getblockcount')).toBeTypeOf('number')
})

/** Close above, so that a proxy with a looser target would let it through. */
const justMisses = (value: bigint) => value > TARGET && value <= 2n * TARGET

/** A valid block on the tip, as hex, that the node does not have yet. */
async function unsubmittedBlock(): Promise<string> {
  const made = await node.cli('generateblock', 'raw(51)', [], false)
  return z.object({ hex: z.string() }).parse(made).hex
}

/** The same block with a nonce that meets the node's target and for which the test holds. */
function withNonce(blockHex: string, holds: (value: bigint) => boolean): string {
  const block = Buffer.from(blockHex, 'hex')
  for (let nonce = 0; nonce < 100_000; nonce++) {
    block.writeUInt32LE(nonce, 76)
    const value = hashValue(block.subarray(0, 80))
    if (value < 0x7fffffn << 232n && holds(value)) return block.toString('hex')
  }
  throw new Error('no nonce was found')
}

function hashValue(header: Uint8Array): bigint {
  const twice = hash('sha256', hash('sha256', header, 'buffer'), 'buffer')
  return BigInt(`0x${twice.reverse().toString('hex')}`)
}
