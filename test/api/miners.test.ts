import { expect, test } from 'vitest'
import { EPOCH_MS, EPOCHS, MINER, OTHER, sha256Hex, WORK, WORKER_SCRIPT } from './seed.ts'
import { apiForTests } from './server.ts'

const api = apiForTests()
const at = `/api/v1/miners/${MINER}`

test('a miner has an account for each scheme, with what is owed and when it is due', async () => {
  const rate = ((3n * WORK * 1000n) / BigInt(EPOCH_MS)).toString()
  expect((await api.get(at)).json()).toEqual({
    payee: MINER,
    kind: 'bitcoin',
    depositForm: null,
    accounts: [
      {
        scheme: 'pplns',
        pendingMsat: '5000',
        payableMsat: '7001',
        inflightMsat: '0',
        minimumSats: '500000',
        nextPayment: { kind: 'height', height: 260 },
        waiting: {
          kind: 'below minimum',
          detail: 'less than 500000 sat is payable',
          batch: null,
          expected: null,
        },
      },
      {
        scheme: 'pps',
        pendingMsat: '0',
        payableMsat: '0',
        inflightMsat: '9999',
        minimumSats: null,
        nextPayment: null,
        waiting: null,
      },
    ],
    hashrate: { hashesPerSecond: rate, overMs: EPOCHS * EPOCH_MS },
  })
})

test('balances are given in whole and by scheme', async () => {
  expect((await api.get(`${at}/balances`)).json()).toEqual({
    pendingMsat: '5000',
    payableMsat: '7001',
    inflightMsat: '9999',
    accounts: [
      { scheme: 'pplns', pendingMsat: '5000', payableMsat: '7001', inflightMsat: '0' },
      { scheme: 'pps', pendingMsat: '0', payableMsat: '0', inflightMsat: '9999' },
    ],
  })
})

test('workers show their shares and their rejects by reason, and only this miner’s', async () => {
  const { items } = await api.walk(`${at}/workers`, 1)
  expect(items).toMatchObject([
    { name: WORKER_SCRIPT, scheme: 'pplns', rejects: { stale: '8', duplicate: '2' } },
    { name: 'rig2', scheme: 'pplns', rejects: {} },
    { name: '', scheme: 'pps', rejects: {} },
  ])
  expect(items[0]).toMatchObject({
    shares: String(10 * EPOCHS),
    work: (WORK * BigInt(EPOCHS)).toString(),
    hashesPerSecond: ((WORK * 1000n) / BigInt(EPOCH_MS)).toString(),
  })
})

test('earnings are the lines of reward statements, each once, newest first', async () => {
  const expected = Array.from({ length: 2 * EPOCHS }, (_, i) => {
    const number = EPOCHS - Math.floor(i / 2)
    return [String(number), i % 2 === 0 ? 'pps' : 'pplns']
  })
  for (const limit of [1, 7, 100]) {
    const { items } = await api.walk(`${at}/earnings`, limit)
    expect(items.map(item => [item['reward'], item['scheme']])).toEqual(expected)
  }
  const { items } = await api.walk(`${at}/earnings`, 100)
  expect(items[0]).toMatchObject({ amountMsat: '3000', rewardPool: 'pps', block: null })
  expect(items.at(-1)).toMatchObject({ amountMsat: '1500', rewardPool: 'pplns', height: 101 })
  expect(items.at(-1)?.['block']).toMatch(/^[0-9a-f]{64}$/)
})

test('payouts show their batch, their state and the transaction once one may have left', async () => {
  const { items } = await api.walk(`${at}/payouts`, 1)
  expect(items).toMatchObject([
    { state: 'planned', batch: '2', txid: null, amountSats: '400000', endedMs: null },
    {
      ...{ state: 'settled', batch: '1', txid: sha256Hex('transaction'), rail: 'l1' },
      ...{ destination: MINER, feeSats: '0', approvedBy: ['pool'] },
    },
  ])
})

test('a miner sees nothing of another', async () => {
  const other = (await api.get(`/api/v1/miners/${OTHER}/payouts`)).json()
  expect(other.items.map((item: { amountSats: string }) => item.amountSats)).toEqual([
    '200000',
    '200000',
  ])
  expect((await api.get(`/api/v1/miners/${OTHER}/earnings`)).json().items).toEqual([])
})

for (const part of ['', '/workers', '/balances', '/earnings', '/payouts']) {
  test(`nobody's miner${part} is an unknown resource`, async () => {
    const reply = await api.get(`/api/v1/miners/${encodeURIComponent(`' or 1=1 --`)}${part}`)
    expect(reply.statusCode).toBe(404)
    expect(reply.json().type).toBe('urn:sidepool:problem:unknown-resource')
  })
}
