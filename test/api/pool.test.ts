import { expect, test } from 'vitest'
import { blockHashAt, EPOCH_MS, EPOCHS, MINER, NOW_MS, sha256Hex, WORK } from './seed.ts'
import { apiForTests } from './server.ts'

const api = apiForTests()
/** Four workers with the same work in every epoch of a minute. */
const POOL_RATE = ((4n * WORK * 1000n) / BigInt(EPOCH_MS)).toString()

test('stats say what the pool is now, with the hash rate of the last hour', async () => {
  const reply = await api.get('/api/v1/stats')
  expect(reply.statusCode).toBe(200)
  expect(reply.json()).toEqual({
    name: 'a pool & more',
    network: 'regtest',
    height: 100 + EPOCHS,
    hashrate: { hashesPerSecond: POOL_RATE, overMs: EPOCHS * EPOCH_MS },
    miners: 3,
    workers: 4,
    openEpoch: String(EPOCHS + 1),
    lastBlock: { hash: blockHashAt(3), height: 103, foundMs: NOW_MS - (EPOCHS - 3) * EPOCH_MS },
  })
})

test('the hash rate is given by block interval, and where its length is unknown it is null', async () => {
  const { items } = await api.walk('/api/v1/hashrate', 7)
  expect(items.map(item => item['height'])).toEqual(
    Array.from({ length: EPOCHS }, (_, i) => 100 + EPOCHS - i),
  )
  expect(items[0]).toEqual({
    height: 130,
    shares: '40',
    work: (4n * WORK).toString(),
    durationMs: EPOCH_MS,
    hashesPerSecond: POOL_RATE,
  })
  expect(items.at(-1)).toMatchObject({ height: 101, durationMs: null, hashesPerSecond: null })
})

test('blocks show their fate, their finder and their reward statement', async () => {
  const { items } = await api.walk('/api/v1/blocks', 2)
  expect(items).toMatchObject([
    { height: 103, fate: 'submitted', finder: null, recovered: true, reward: null },
    { height: 102, fate: 'orphaned', finder: MINER, recovered: false, reward: null },
    { height: 101, fate: 'mature', finder: MINER, reward: '1', valueSats: '5000000000' },
  ])
})

test('schemes are what the configuration promises', async () => {
  const { items } = (await api.get('/api/v1/schemes')).json()
  expect(items).toEqual([
    {
      name: 'pplns',
      ports: [3333, 3334],
      tlsPorts: [4333],
      rewardPool: 'pplns',
      method: 'pplns',
      coinbase: 'pool',
      interval: { kind: 'blocks', blocks: 144 },
      rails: ['l1'],
      minimumSats: '500000',
      feeBasisPoints: 100,
      feePaidBy: 'pool',
      difficultyLog2: { start: 13, minimum: -10, maximum: 40 },
    },
  ])
})

test('difficulty is that of the open epoch, as target and as expected hashes', async () => {
  expect((await api.get('/api/v1/difficulty')).json()).toEqual({
    epoch: String(EPOCHS + 1),
    blockTarget: '0'.repeat(16) + 'f'.repeat(48),
    work: (2n ** 64n).toString(),
    subsidySats: '5000000000',
  })
})

test('epochs are listed newest first, each once, whatever the size of a page', async () => {
  for (const limit of [1, 7, 31, 100]) {
    const { items, pages } = await api.walk('/api/v1/epochs', limit)
    expect(items.map(item => item['epoch'])).toEqual(
      Array.from({ length: EPOCHS + 1 }, (_, i) => String(EPOCHS + 1 - i)),
    )
    expect(pages).toBeLessThanOrEqual(Math.floor((EPOCHS + 1) / limit) + 1)
  }
  const { items } = await api.walk('/api/v1/epochs', 2)
  expect(items[0]).toMatchObject({ closedMs: null, closeReason: null, statementHash: null })
})

for (const kind of ['epochs', 'rewards']) {
  test(`the canonical bytes of ${kind} hash to the statement's hash`, async () => {
    const json = (await api.get(`/api/v1/${kind}/2`)).json()
    const bytes = await api.get(`/api/v1/${kind}/2?format=bytes`)
    expect(bytes.headers['content-type']).toBe('application/octet-stream')
    expect(sha256Hex(bytes.rawPayload)).toBe(json.hash)
    expect(bytes.headers['x-statement-hash']).toBe(json.hash)
    expect(bytes.headers['cache-control']).toContain('immutable')
    expect(json.statement).toEqual(JSON.parse(bytes.payload))
    expect(json.previousHash).toBe((await api.get(`/api/v1/${kind}/1`)).json().hash)
  })
}

test('an open epoch has no statement yet', async () => {
  const reply = await api.get(`/api/v1/epochs/${EPOCHS + 1}`)
  expect(reply.statusCode).toBe(404)
  expect(reply.json().type).toBe('urn:sidepool:problem:unknown-resource')
})

test('health is 200 with every part well, and 503 naming the one that is not', async () => {
  const well = await api.get('/health')
  expect(well.statusCode).toBe(200)
  expect(well.json()).toEqual({
    status: 'ok',
    parts: [{ name: 'database', ok: true, detail: 'answers' }],
  })
  const health = {
    database: async () => ({ ok: true, detail: 'answers' }),
    node: () => Promise.reject(new Error('connect to user:secret@host failed')),
  }
  const ill = await (await api.with({ health })).inject('/health')
  expect(ill.statusCode).toBe(503)
  expect(ill.json().status).toBe('failing')
  expect(ill.json().parts[1]).toMatchObject({ name: 'node', ok: false })
  expect(ill.payload).not.toContain('secret')
})

test('metrics tell Prometheus which parts are well, and how long coinbases are', async () => {
  const health = {
    database: async () => ({ ok: true, detail: 'answers' }),
    node: () => Promise.reject(new Error('connect to user:secret@host failed')),
  }
  const { statusCode, headers, payload } = await (await api.with({ health })).inject('/metrics')
  expect(statusCode).toBe(200)
  expect(headers['content-type']).toContain('text/plain; version=0.0.4')
  expect(payload.split('\n').filter(line => line !== '' && !line.startsWith('#'))).toEqual([
    'sidepool_part_up{part="database"} 1',
    'sidepool_part_up{part="node"} 0',
    'sidepool_coinbase_bytes 241',
    'sidepool_coinbase_alarm_bytes 250',
  ])
})
