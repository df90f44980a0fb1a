import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { fromHex, utf8 } from '../../../src/lib/bytes.ts'
import { parseNetwork } from '../../../src/lib/ip-address.ts'
import { pollUntil } from '../../../src/lib/poll.ts'
import { systemRandom } from '../../../src/lib/random.ts'
import { type Mining, type MiningOptions, startMining } from '../../../src/pool/mining-server.ts'
import { type TestDatabase, testDatabase } from '../../support/database.ts'
import tls from '../../vectors/tls.json' with { type: 'json' }
import { FIXED_CLOCK, prepare, SILENT } from '../mining-fixtures.ts'
import { RULE, templateOf } from './fixtures.ts'
import { connectMiner, type WireMiner } from './wire-miner.ts'

let database: TestDatabase
let account: Awaited<ReturnType<typeof prepare>>
let mining: Mining | undefined
beforeAll(async () => {
  database = await testDatabase()
  account = await prepare(database)
})
afterAll(() => database.drop())
afterEach(async () => {
  await mining?.stop()
  mining = undefined
})

const LOOPBACK = parseNetwork('127.0.0.0/8')
const proxies = LOOPBACK ? [LOOPBACK] : []
const behindProxy = { connectionsPerSubscriber: 2, exempt: [], proxies }

/** @returns the port */
async function start(options: Partial<MiningOptions> = {}, certificate?: typeof tls) {
  const port = {
    host: '127.0.0.1',
    port: 0,
    isShared: false,
    scheme: 'pplns',
    coinbasePays: 'pool' as const,
    rule: RULE,
  }
  mining = await startMining({
    ports: [certificate ? { ...port, tls: certificate } : port],
    ...{ db: database.db, clock: FIXED_CLOCK, random: systemRandom, log: SILENT },
    authorize: async () => ({
      kind: 'authorized',
      accountId: account.accountId,
      worker: '',
      finder: null,
    }),
    ...{ nodes: [], tag: '/test/', payScript: Uint8Array.of(0x51), shareWaitMaxMs: 10_000 },
    ...options,
  })
  mining.work(templateOf())
  return mining.ports[0] ?? 0
}

const from = (host: string) => `PROXY TCP4 ${host} 198.51.100.1 54321 3333\r\n`
/** A connection that the pool answers, or does not. */
async function isWelcome(it: WireMiner): Promise<boolean> {
  it.send({ id: 'ping', method: 'mining.ping' })
  return it.reply('ping').then(
    () => true,
    () => false,
  )
}
async function visit(port: number, host: string): Promise<WireMiner | null> {
  const it = await connectMiner({ port, before: from(host) })
  return (await isWelcome(it)) ? it : null
}

describe('TLS', () => {
  test('is spoken on a port that has a certificate, and nothing else is', async () => {
    const port = await start({}, tls)
    const safe = await connectMiner({ port, isSafe: true })
    expect(await isWelcome(safe)).toBe(true)
    const plain = await connectMiner({ port })
    expect(await isWelcome(plain)).toBe(false)
  })
  test('comes after what the proxy says, even in one piece with it', async () => {
    const port = await start({ door: behindProxy }, tls)
    const it = await connectMiner({ port, before: from('192.0.2.9'), isSafe: true })
    expect(await isWelcome(it)).toBe(true)
  })
})

describe('behind a proxy', () => {
  test('a miner has the address that the proxy says, and sessions name it', async () => {
    const port = await start({ door: behindProxy })
    const subscribe = '{"id":1,"method":"mining.subscribe","params":["behind"]}\n'
    const it = await connectMiner({ port, before: `${from('192.0.2.1')}${subscribe}` })
    expect((await it.reply(1))['error']).toBeNull()
    const row = await database.ownerDb
      .selectFrom('sessions')
      .select(['host', 'port'])
      .where('agent', '=', 'behind')
      .executeTakeFirstOrThrow()
    expect(row).toEqual({ host: '192.0.2.1', port: 54321 })
  })
  test('a header that comes byte by byte is read, and one of version 2', async () => {
    const port = await start({ door: behindProxy })
    const slow = await connectMiner({ port })
    for (const byte of from('192.0.2.2')) slow.socket.write(byte)
    expect(await isWelcome(slow)).toBe(true)
    const v2 = fromHex('0d0a0d0a000d0a515549540a2111000cc0000203c6336401d4310d05')
    expect(await isWelcome(await connectMiner({ port, before: v2 }))).toBe(true)
  })
  test('a connection without a header ends, and one of the proxy itself does not', async () => {
    const port = await start({ door: behindProxy })
    expect(await isWelcome(await connectMiner({ port }))).toBe(false)
    const local = fromHex('0d0a0d0a000d0a515549540a20000000')
    for (let i = 0; i < 3; i++)
      expect(await isWelcome(await connectMiner({ port, before: local }))).toBe(true)
  })
  test('a header from anybody else is no line of Stratum', async () => {
    const port = await start()
    const it = await connectMiner({ port, before: utf8(from('192.0.2.1')) })
    expect(await it.reply(null)).toMatchObject({ error: [20, 'not JSON', null] })
  })
})

describe('one subscriber', () => {
  test('has so many connections and no more, until one of them has ended', async () => {
    const port = await start({ door: behindProxy })
    const [first] = [await visit(port, '192.0.2.1'), await visit(port, '192.0.2.1')]
    expect(await visit(port, '192.0.2.1')).toBeNull()
    expect(await visit(port, '192.0.2.2')).not.toBeNull()
    first?.socket.end()
    const again = await pollUntil(() => visit(port, '192.0.2.1'), {
      ...{ everyMs: 10, timeoutMs: 45_000 },
    })
    expect(again).not.toBeNull()
  })
  test('that misbehaves thrice is banned, and a restart forgives nothing', async () => {
    let port = await start({ door: behindProxy })
    const misbehave = async (host: string) => {
      const it = await connectMiner({ port, before: `${from(host)}${'x'.repeat(10_000)}` })
      await it.closed()
    }
    for (let i = 0; i < 3; i++) await misbehave('192.0.2.3')
    expect(await visit(port, '192.0.2.3')).toBeNull()
    expect(await visit(port, '192.0.2.4')).not.toBeNull()
    await mining?.stop()
    port = await start({ door: behindProxy })
    expect(await visit(port, '192.0.2.3')).toBeNull()
    await database.ownerDb.deleteFrom('stratum_bans').execute()
    await mining?.stop()
    port = await start({ door: behindProxy })
    expect(await visit(port, '192.0.2.3')).not.toBeNull()
  })
  test('is not banned for one of its rigs while another one mines well', async () => {
    const port = await start({ door: { ...behindProxy, connectionsPerSubscriber: null } })
    const good = await connectMiner({ port, before: from('192.0.2.5') })
    good.send({ id: 1, method: 'mining.subscribe', params: [] })
    good.send({ id: 2, method: 'mining.authorize', params: ['w', 'x'] })
    const job = Object.values((await good.notified())['params'] ?? [])[0]
    await good.reply(2)
    good.send({
      id: 3,
      method: 'mining.submit',
      params: ['w', job, '00'.repeat(8), '6553f100', '00000001'],
    })
    expect(await good.reply(3)).toMatchObject({ result: true })
    for (let i = 0; i < 4; i++) {
      const it = await connectMiner({ port, before: `${from('192.0.2.5')}${'x'.repeat(10_000)}` })
      await it.closed()
    }
    expect(await visit(port, '192.0.2.5')).not.toBeNull()
  })
})
