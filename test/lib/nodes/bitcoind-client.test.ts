import { createServer, type Server } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blockHash } from '../../../src/lib/ids.ts'
import { formatBtc, sats } from '../../../src/lib/money.ts'
import { satsFromCoins } from '../../../src/lib/nodes/amount.ts'
import { connectNode } from '../../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../../src/lib/nodes/bitcoind-client.ts'
import { NodeUnreachable } from '../../../src/lib/nodes/post-client.ts'
import { RpcError } from '../../../src/lib/nodes/rpc-error.ts'
import { watchBlockHashes } from '../../../src/lib/nodes/zmq-source.ts'
import { pollUntil } from '../../../src/lib/poll.ts'
import { type TestNode, testNode } from '../../support/bitcoind.ts'

let node: TestNode
beforeAll(async () => {
  node = await testNode()
})
afterAll(() => node.remove())

const NOWHERE = blockHash('00'.repeat(32))

describe('an amount in coins', () => {
  test('is read to the satoshi, however the node spells it', () => {
    const spelt = [0.00000546, 1e-8, 12.5, '20999999.97690000', 0, 20999999.9769]
    expect(spelt.map(satsFromCoins)).toEqual([
      546n,
      1n,
      1250000000n,
      2099999997690000n,
      0n,
      2099999997690000n,
    ])
  })
  test('is refused with more than eight decimals, a sign, or more than there is', () => {
    for (const wrong of [
      0.000000001,
      0.1 + 0.2,
      -1,
      '1e-8',
      1e300,
      Number.NaN,
      '21000001.0',
      '0.123456789',
    ])
      expect(satsFromCoins(wrong)).toBeNull()
  })
  test('survives the double that its literal becomes', () =>
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }), amount => {
        const literal = formatBtc(sats(amount))
        const arrives = literal.length > 15 ? literal : Number(literal)
        expect(satsFromCoins(arrives)).toBe(amount)
      }),
    ))
})

describe('the client of a real node', () => {
  test('parses what it says of its chain and of itself', async () => {
    const client = bitcoindClient(connectNode(node.rpc))
    const [tip] = (await node.mine(3)).slice(-1)
    const info = await client.getBlockchainInfo()
    expect(info).toMatchObject({ chain: 'regtest', blocks: 3, headers: 3, bestBlock: tip })
    expect((await client.getVersion()).version).toBeGreaterThan(240_000)
    const template = await client.getBlockTemplate()
    expect(template).toMatchObject({ height: 4, previousBlock: tip, bits: 0x207fffff })
    expect(template.value).toBe(5_000_000_000n)
    expect(template.rules).toContain('!segwit')
  })

  test('says null for what the node has not, and reads what it has', async () => {
    const client = bitcoindClient(connectNode(node.rpc))
    const hash = await client.getBlockHash(1)
    if (hash === null) throw new Error('block 1 is there')
    const genesis = await client.getBlockHash(0)
    expect(await client.getBlockHeader(hash)).toMatchObject({
      hash,
      height: 1,
      previousBlock: genesis,
    })
    expect((await client.getBlockHeader(genesis ?? hash))?.previousBlock).toBeNull()
    expect((await client.getBlock(hash))?.length).toBeGreaterThan(200)
    expect(await client.getBlockHash(1_000_000)).toBeNull()
    expect(await client.getBlockHeader(NOWHERE)).toBeNull()
    expect(await client.getBlock(NOWHERE)).toBeNull()
  })

  test('gives the words of a node that takes no block', async () => {
    const client = bitcoindClient(connectNode(node.rpc))
    const hash = await client.getBlockHash(1)
    const known = hash && (await client.getBlock(hash))
    if (!known) throw new Error('block 1 is there')
    expect(await client.submitBlock(known)).toBe('duplicate')
    expect(await client.submitBlock(known.subarray(0, 90))).toMatch(/decode/i)
  })

  test('tells the node’s own refusal by its code', async () => {
    const { call } = connectNode(node.rpc)
    const refused = await call('getblockhash', [-1]).catch(error => error)
    expect(refused).toBeInstanceOf(RpcError)
    expect(refused).toMatchObject({ code: -8 })
    expect(await call('nosuchmethod', []).catch(error => error.code)).toBe(-32601)
  })

  test('asks the wallet it names, by methods too that the package does not know as a wallet’s', async () => {
    const { call } = connectNode(node.rpc)
    for (const wallet of ['a wallet', 'another']) await call('createwallet', [wallet])
    const info = await call('getwalletinfo', [], { wallet: 'a wallet' })
    expect(info).toMatchObject({ walletname: 'a wallet' })
    const scanned = await call('rescanblockchain', [0], { wallet: 'another' })
    expect(scanned).toMatchObject({ start_height: 0 })
    const nameless = await call('rescanblockchain', [0]).catch(error => error)
    expect(nameless).toBeInstanceOf(RpcError)
  })

  test('loses no digit of a number', async () => {
    const { call } = connectNode(node.rpc)
    // One output of 20999999.97690001 coins; its literal has 17 characters.
    const value = Buffer.alloc(8)
    value.writeBigUInt64LE(2_099_999_997_690_001n)
    const spent = `${'00'.repeat(32)}0000000000ffffffff`
    const raw = `0200000001${spent}01${value.toString('hex')}015100000000`
    const decoded = await call('decoderawtransaction', [raw])
    expect(decoded).toMatchObject({ vout: [{ value: '20999999.97690001' }] })
  })

  test('ends a long poll when it is told to', async () => {
    const client = bitcoindClient(connectNode(node.rpc))
    const { longPollId } = await client.getBlockTemplate()
    const abort = new AbortController()
    const polled = client.getBlockTemplate({ longPollId: longPollId ?? '', signal: abort.signal })
    abort.abort()
    await expect(polled).rejects.toBeInstanceOf(NodeUnreachable)
  })

  test('gets the long poll’s answer when a block comes', async () => {
    const client = bitcoindClient(connectNode(node.rpc))
    const { longPollId } = await client.getBlockTemplate()
    const { signal } = new AbortController()
    const polled = client.getBlockTemplate({ longPollId: longPollId ?? '', signal })
    const [tip] = await node.mine(1)
    expect((await polled).previousBlock).toBe(tip)
  })

  test('hears each new block by ZMQ', async () => {
    const heard: string[] = []
    const source = watchBlockHashes(node.zmqHashBlockUrl, hash => heard.push(hash))
    // A subscription takes its time, and what was published before is lost.
    await pollUntil(async () => ((await node.mine(1)) && heard.length > 0 ? true : null), {
      everyMs: 50,
      timeoutMs: 30_000,
    })
    const [tip] = await node.mine(1)
    await pollUntil(() => heard.includes(tip ?? '') || null, { everyMs: 20, timeoutMs: 30_000 })
    expect(heard.at(-1)).toBe(tip)
    await source.stop()
  })
})

describe('no answer of a node is never an answer', () => {
  const servers: Server[] = []
  afterAll(() => {
    for (const server of servers) server.close()
  })

  /** A server that does to each request what a broken node or network may. */
  async function nodeThat(answer: Parameters<typeof createServer>[1]): Promise<string> {
    const server = createServer(answer)
    servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  }
  const ask = async (url: string, timeoutMs = 30_000) =>
    connectNode({ url, user: 'u', password: 'p' })
      .call('sendrawtransaction', ['00'], { timeoutMs })
      .catch(error => error)
  const json = { 'content-type': 'application/json' }

  test('when it is cut off in the middle', async () => {
    const url = await nodeThat((_, response) => {
      response.writeHead(200, { ...json, 'content-length': 1000 })
      response.write('{"result":null,"error":null,"id":1}', () => response.destroy())
    })
    expect(await ask(url)).toBeInstanceOf(NodeUnreachable)
  })

  test('when it does not come in time', async () => {
    const url = await nodeThat(() => undefined)
    expect(await ask(url, 50)).toBeInstanceOf(NodeUnreachable)
  })

  test('when nobody listens', async () => {
    const url = await nodeThat(() => undefined)
    await new Promise(resolve => servers.pop()?.close(resolve))
    expect(await ask(url)).toBeInstanceOf(NodeUnreachable)
  })

  for (const [status, type, body] of [
    [503, 'text/plain', 'Work queue depth exceeded'],
    [401, 'text/plain', ''],
    [200, 'application/json', ''],
    [200, 'application/json', 'null'],
    [200, 'application/json', '[]'],
    [200, 'application/json', '{}'],
    [200, 'application/json', '{"result":1}'],
    [200, 'application/json', '{"error":null}'],
    [200, 'application/json', '{"result":1,"result":2,"error":null}'],
    [502, 'text/html', '<html>bad gateway</html>'],
  ] as const)
    test(`when it is HTTP ${status} with '${body}'`, async () => {
      const url = await nodeThat((_, response) => {
        response.writeHead(status, { 'content-type': type })
        response.end(body)
      })
      expect(await ask(url)).toBeInstanceOf(NodeUnreachable)
    })

  test('and a wrong password says so, without saying it', async () => {
    const { call } = connectNode({ ...node.rpc, password: 'not-the-password' })
    const refused = await call('getblockcount', []).catch(error => error)
    expect(refused).toBeInstanceOf(NodeUnreachable)
    expect(String(refused)).toMatch(/refuses this user and password/)
    expect(String(refused)).not.toContain('not-the-password')
  })
})
