import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { blockHash } from '../../../src/lib/ids.ts'
import { systemRandom } from '../../../src/lib/random.ts'
import { type Mining, startMining } from '../../../src/pool/mining-server.ts'
import { type TestDatabase, testDatabase } from '../../support/database.ts'
import { FIXED_CLOCK, prepare, SILENT, storedHashes } from '../mining-fixtures.ts'
import { ALL_BLOCKS, RULE, templateOf } from './fixtures.ts'
import { connectMiner, type Message, type WireMiner } from './wire-miner.ts'

let database: TestDatabase
let account: Awaited<ReturnType<typeof prepare>>
let mining: Mining
let submitted: Uint8Array[] = []

beforeAll(async () => {
  database = await testDatabase()
  account = await prepare(database)
})
afterAll(() => database.drop())
beforeEach(async () => {
  submitted = []
  mining = await start()
  mining.work(templateOf())
})
afterEach(() => mining.stop())

const start = () =>
  startMining({
    ports: [
      {
        host: '127.0.0.1',
        port: 0,
        isShared: false,
        scheme: 'pplns',
        coinbasePays: 'pool' as const,
        rule: RULE,
      },
    ],
    ...{ db: database.db, clock: FIXED_CLOCK, random: systemRandom, log: SILENT },
    authorize: async username => {
      if (username === 'broken') throw new Error('the other room broke')
      if (username !== 'w') return { kind: 'refused', reason: 'no such address' }
      return { kind: 'authorized', accountId: account.accountId, worker: '', finder: null }
    },
    nodes: [
      {
        name: 'a',
        submitBlock: async block => {
          submitted.push(block)
          return null
        },
      },
      { name: 'b', submitBlock: () => Promise.reject(new Error('gone')) },
    ],
    tag: '/test/',
    payScript: Uint8Array.of(0x51),
    shareWaitMaxMs: 10_000,
  })

const miner = () => connectMiner({ port: mining.ports[0] ?? 0 })

async function working(params: unknown[] = []): Promise<WireMiner> {
  const it = await miner()
  it.send({ id: 1, method: 'mining.subscribe', params })
  it.send({ id: 2, method: 'mining.authorize', params: ['w', 'x'] })
  expect((await it.reply(2))['error']).toBeNull()
  await it.notified()
  return it
}

const jobOf = (message: Message) => String(Object.values(message['params'] ?? [])[0])
const submitOf = (job: string, nonce: string, id: unknown = nonce) => ({
  id,
  method: 'mining.submit',
  params: ['w', job, '00'.repeat(8), '6553f100', nonce],
})

describe('a miner', () => {
  test('subscribes, gets work, and has its share on disk when it is answered', async () => {
    const it = await working()
    expect(it.messages.map(each => each['method'] ?? each['id']).slice(0, 3)).toEqual([
      ...[1, 'mining.set_difficulty', 'mining.notify'],
    ])
    const before = (await storedHashes(database)).length
    it.send(submitOf(jobOf(await it.notified()), '00000001', 9))
    expect(await it.reply(9)).toEqual({ id: 9, result: true, error: null })
    expect(await storedHashes(database)).toHaveLength(before + 1)
  })
  test('is told of each refusal while others work on', async () => {
    const [it, other] = [await working(), await working()]
    const job = jobOf(await it.notified())
    it.send(submitOf(job, '00000002', 5))
    it.send(submitOf(job, '00000002', 6))
    it.send(submitOf('ffff', '00000002', 7))
    it.send('no json')
    it.send({ id: 8, method: 'mining.authorize', params: ['broken', ''] })
    it.send({ id: 10, method: 'mining.authorize', params: ['wrong', ''] })
    expect(await it.reply(5)).toMatchObject({ result: true })
    expect(await it.reply(6)).toMatchObject({ result: null, error: [22, expect.any(String), null] })
    expect(await it.reply(7)).toMatchObject({ error: [21, expect.any(String), null] })
    expect(await it.reply(null)).toMatchObject({ error: [20, 'not JSON', null] })
    expect(await it.reply(8)).toMatchObject({ error: [20, expect.any(String), null] })
    expect(await it.reply(10)).toMatchObject({ error: [24, 'no such address', null] })
    other.send(submitOf(job, '00000002', 'x'))
    expect(await other.reply('x')).toMatchObject({ result: true })
  })
  test('that sends a line too long gets an error and is hung up on, the others stay', async () => {
    const [it, other] = [await miner(), await working()]
    it.socket.write('x'.repeat(100_000))
    expect(await it.reply(null)).toMatchObject({ error: [20, expect.any(String), null] })
    await it.closed()
    other.send({ id: 'still', method: 'mining.ping' })
    expect(await other.reply('still')).toMatchObject({ result: 'pong' })
  })
  test('that sends a long line in one piece is hung up on too', async () => {
    const it = await miner()
    it.send(`{"id":1,"method":"mining.ping","params":["${'x'.repeat(9000)}"]}`)
    await it.closed()
    expect(it.messages).toHaveLength(1)
  })
  test('that sends its bytes one by one is understood', async () => {
    const it = await miner()
    for (const byte of '{"id":1,"method":"mining.ping"}\r\n\n') it.socket.write(byte)
    expect(await it.reply(1)).toMatchObject({ result: 'pong' })
  })
  test('that mines well is answered however much it asks at once', async () => {
    const it = await working()
    it.send(submitOf(jobOf(await it.notified()), '00000007'))
    await it.reply('00000007')
    const before = it.messages.length
    for (let id = 0; id < 1000; id++) it.send({ id, method: 'mining.ping' })
    await it.reply(999)
    const ids = it.messages.slice(before).map(each => each['id'])
    expect(ids).toEqual(Array.from({ length: 1000 }, (_, id) => id))
  })
  test('that asks much and has no share accepted is answered bit by bit, after others', async () => {
    const [it, other] = [await working(), await working()]
    for (let id = 0; id < 500; id++) it.send({ id, method: 'mining.ping' })
    // What it sent has been read when its first question is answered.
    await it.reply(0)
    other.send({ id: 'other', method: 'mining.ping' })
    await other.reply('other')
    expect(it.messages.some(each => each['id'] === 499)).toBe(false)
    await it.reply(499)
  })
  test('gets each new job', async () => {
    const it = await working()
    mining.work(templateOf({ previousBlock: blockHash('cd'.repeat(32)), height: 101 }))
    const next = await it.notified(2)
    expect(Object.values(next['params'] ?? []).at(-1)).toBe(true)
  })
  test('that connects during a pause gets work when there is some again', async () => {
    mining.pause()
    const it = await miner()
    it.send({ id: 1, method: 'mining.subscribe', params: [] })
    await it.reply(1)
    it.send({ id: 2, method: 'mining.ping' })
    await it.reply(2)
    expect(it.messages).toHaveLength(2)
    mining.work(templateOf())
    await it.notified()
  })
})

describe('a session', () => {
  const tokenOf = (it: WireMiner) => {
    const result = it.messages.find(each => each['id'] === 1)?.['result']
    return JSON.parse(JSON.stringify(result))[0][1][1]
  }
  const extranonceOf = (it: WireMiner) => {
    const result = it.messages.find(each => each['id'] === 1)?.['result']
    return JSON.parse(JSON.stringify(result))[1]
  }
  test('goes to whoever presents its token, and leaves the old connection', async () => {
    const old = await working()
    const it = await working(['test', tokenOf(old)])
    expect([tokenOf(it), extranonceOf(it)]).toEqual([tokenOf(old), extranonceOf(old)])
    await old.closed()
    it.send({ id: 5, method: 'mining.ping' })
    expect(await it.reply(5)).toMatchObject({ result: 'pong' })
  })
  test('goes on under another extranonce1 where its miner can be told', async () => {
    const old = await working()
    old.send({ id: 7, method: 'mining.extranonce.subscribe', params: [] })
    await old.reply(7)
    const it = await working(['test', tokenOf(old)])
    expect(extranonceOf(it)).toBe(extranonceOf(old))
    const told = () => old.messages.find(each => each['method'] === 'mining.set_extranonce')
    for (let jobs = 2; told() === undefined; jobs++) {
      mining.work(templateOf())
      await old.notified(jobs)
    }
    const given = JSON.parse(JSON.stringify(told()?.['params']))
    expect(given).toEqual([expect.stringMatching(/^[0-9a-f]{8}$/), 8])
    expect(given[0]).not.toBe(extranonceOf(it))
    old.send(submitOf(jobOf(old.messages.at(-1) ?? {}), '00000009'))
    expect(await old.reply('00000009')).toMatchObject({ result: true })
    const row = await database.ownerDb
      .selectFrom('sessions')
      .select(['account_id', 'closed_ms'])
      .where('extranonce1', '=', Buffer.from(given[0], 'hex'))
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
    expect(row).toEqual({ account_id: account.accountId, closed_ms: null })
  })
  test('outlives a restart, and a share sent again is the share it was', async () => {
    const it = await working()
    const job = jobOf(await it.notified())
    it.send(submitOf(job, '00000003'))
    await it.reply('00000003')
    await mining.stop()
    await it.closed()
    mining = await start()
    const again = await miner()
    again.send({ id: 1, method: 'mining.subscribe', params: ['test', tokenOf(it)] })
    again.send({ id: 2, method: 'mining.authorize', params: ['w', 'x'] })
    await again.reply(2)
    expect(extranonceOf(again)).toBe(extranonceOf(it))
    again.send(submitOf(job, '00000003', 'same'))
    again.send(submitOf(job, '00000004', 'new'))
    expect(await again.reply('same')).toMatchObject({ error: [22, expect.any(String), null] })
    expect(await again.reply('new')).toMatchObject({ result: true })
  })
})

test('a process that ends lets its miners leave with all their answers', async () => {
  const it = await working()
  const gone = mining.drain()
  await it.notified()
  const asked = () => it.messages.some(each => each['method'] === 'client.reconnect')
  it.send(submitOf(jobOf(await it.notified()), '00000006'))
  expect(await it.reply('00000006')).toMatchObject({ result: true })
  expect(asked()).toBe(true)
  await expect(miner()).rejects.toThrow()
  it.socket.end()
  await gone
  expect(mining.connectionCount()).toBe(0)
})

test('a process that ends answers all that it has read, however much waits for its turn', async () => {
  const it = await working()
  for (let id = 0; id < 200; id++) it.send({ id: `p${id}`, method: 'mining.ping' })
  // They came in one piece, and the first are answered at once.
  await it.reply('p0')
  await mining.stop()
  await it.reply('p199')
  await it.closed()
  mining = await start()
})

test('a block goes to every node, and is booked with what each said', async () => {
  const it = await working()
  mining.work(templateOf({ target: ALL_BLOCKS, previousBlock: blockHash('ef'.repeat(32)) }))
  it.send(submitOf(jobOf(await it.notified(2)), '00000005'))
  expect(await it.reply('00000005')).toMatchObject({ result: true })
  expect(submitted).toHaveLength(1)
  const candidates = await database.db
    .selectFrom('block_candidates')
    .select(['node', 'answer'])
    .orderBy('node')
    .execute()
  expect(candidates).toEqual([
    { node: 'a', answer: 'accepted' },
    { node: 'b', answer: 'no answer: Error: gone' },
  ])
  const block = await database.db.selectFrom('blocks').selectAll().executeTakeFirstOrThrow()
  expect(block).toMatchObject({ epoch_id: 1n, account_id: account.accountId, height: 100 })
  expect(block.session_id).not.toBeNull()
})

test('a reader that never reads is dropped, and nobody waits for it', async () => {
  const [slow, other] = [await working(), await working()]
  // Who has no share accepted would not be heard fast enough to be owed so much.
  slow.send(submitOf(jobOf(await slow.notified()), '00000008'))
  await slow.reply('00000008')
  slow.socket.pause()
  const flood = `${JSON.stringify({ id: 'x'.repeat(60), method: 'mining.ping' })}\n`.repeat(2000)
  const closed = new Promise(resolve => slow.socket.on('close', resolve))
  const pour = () => {
    if (!slow.socket.destroyed) slow.socket.write(flood, () => setImmediate(pour))
  }
  pour()
  for (let i = 0; mining.connectionCount() > 1; i++) {
    other.send({ id: `p${i}`, method: 'mining.ping' })
    await other.reply(`p${i}`)
  }
  slow.socket.resume()
  await closed
})
