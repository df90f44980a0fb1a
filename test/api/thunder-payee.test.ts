import { ed25519 } from '@noble/curves/ed25519.js'
import { beforeAll, describe, expect, test } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { parseThunderAddress } from '../../src/lib/thunder/address.ts'
import { railDestinations, shownAddress } from '../../src/payouts/index.ts'
import keys from '../vectors/thunder-key.json' with { type: 'json' }
import { sha256Hex } from './seed.ts'
import { apiForTests, JSON_TYPE } from './server.ts'

const api = apiForTests()
const [key] = keys.valid
if (!key) throw new Error('there are vectors')
const bare = key.address
const deposit = shownAddress('thunder', bare)
const at = `/api/v1/miners/${deposit}`

beforeAll(async () => {
  const db = api.db()
  const payee = await db
    .insertInto('payees')
    .values({ kind: 'thunder', destination: bare, created_ms: 1n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const account = await db
    .insertInto('accounts')
    .values({ payee_id: payee.id, scheme: 'pplns', created_ms: 1n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const batch = await db
    .insertInto('batches')
    .values({
      ...{
        rail: 'thunder',
        state: 'settled',
        manifest: utf8('{}'),
        manifest_hash: sha256Hex('{}'),
      },
      ...{ anchor_txid: sha256Hex('a coin of Thunder'), anchor_vout: 0 },
      ...{ total_sats: 1000n, fee_max_sats: 1n, created_ms: 1n, expires_ms: 3n, ended_ms: 2n },
      ...{ lease_owner: null, lease_until: null },
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await db
    .insertInto('payouts')
    .values({
      ...{ batch_id: batch.id, account_id: account.id, amount_sats: 1000n, destination: bare },
      ...{ state: 'settled', planned_ms: 1n, planned_height: 1, ended_ms: 2n },
    })
    .execute()
})

function proofOf(text: string) {
  const signature = ed25519.sign(utf8(text), fromHex(key?.privateKey ?? ''))
  return { kind: 'thunder', publicKey: key?.publicKey ?? '', signature: toHex(signature) }
}

const withThunder = () => api.with({ destinations: railDestinations('regtest') })

describe('a Thunder payee', () => {
  test('is found by both forms of its address, and has both in the reply', async () => {
    const shouted = deposit.replace(/[^_]*$/, checksum => checksum.toUpperCase())
    for (const text of [bare, deposit, shouted]) {
      const { payee, kind, depositForm } = (await api.get(`/api/v1/miners/${text}`)).json()
      expect({ payee, kind, depositForm }).toEqual({
        payee: bare,
        kind: 'thunder',
        depositForm: deposit,
      })
    }
    const mistyped = `${deposit.slice(0, -1)}${deposit.endsWith('0') ? '1' : '0'}`
    expect((await api.get(`/api/v1/miners/${mistyped}`)).statusCode).toBe(404)
  })

  test('has its deposit form beside each payout, in the list and in the file', async () => {
    const { items } = (await api.get(`${at}/payouts`)).json()
    expect(items).toMatchObject([{ rail: 'thunder', destination: bare, depositForm: deposit }])
    const [head, row] = (await api.get(`${at}/payouts.csv`)).payload.split('\r\n')
    expect(head?.split(',').at(-1)).toBe('depositForm')
    expect(row?.split(',').at(-1)).toBe(deposit)
  })

  test('sets where it is paid, in deposit form, by its own key', async () => {
    const app = await withThunder()
    const url = `${at}/payout-settings`
    const before = (await app.inject({ url })).json()
    expect(before.rails).toEqual([{ rail: 'thunder', destination: null, minimumSats: '0' }])
    const other = 'JPbJrEKEaA69dAADY2qfW7dfyYQ'
    const wishes = (destination: string) => ({
      rails: [{ rail: 'thunder', destination, minimumSats: '5' }],
      paused: false,
      feeRateMaxSatPerKvb: null,
    })
    const send = (method: 'POST' | 'PUT', path: string, body: object) =>
      app.inject({ method, url: path, headers: JSON_TYPE, payload: JSON.stringify(body) })
    const wanted = wishes(shownAddress('thunder', other))
    const text = (await send('POST', `${url}/text`, wanted)).payload
    expect(text).toContain(`payee: ${bare}\nnumber: 1\npay: by thunder to ${other} from 5 sat`)
    const wrong = await send('PUT', url, { number: 1, ...wanted, proof: proofOf(`${text} `) })
    expect(wrong.statusCode).toBe(403)
    const done = await send('PUT', url, { number: 1, ...wanted, proof: proofOf(text) })
    expect([done.statusCode, done.json()]).toMatchObject([200, { payee: bare, ...wishes(other) }])
    const refused = await send('POST', `${url}/text`, wishes(`s9_${other}_000000`))
    expect(refused.json().detail).toContain('one of its characters is wrong')
  })
})

describe('the pages of a Thunder payee', () => {
  const code = (page: string) => [...page.matchAll(/<code>([^<]*)<\/code>/g)].map(match => match[1])

  test('show the deposit form, which a wallet takes', async () => {
    for (const text of [bare, deposit]) {
      const { payload, statusCode } = await api.get(`/miner/${text}`)
      expect(statusCode).toBe(200)
      expect(payload).toContain(`<h1><code>${deposit}</code></h1>`)
    }
    const app = await withThunder()
    const { payload } = await app.inject({ url: `/miner/${deposit}/settings` })
    expect(payload).toContain(`<h1>How <code>${deposit}</code> is paid</h1>`)
    for (const shown of code(payload).filter(text => text?.startsWith('s9_')))
      expect(parseThunderAddress(shown ?? '')).toMatchObject({ kind: 'thunder' })
    expect(code(payload)).not.toContain(bare)
  })

  test('change its settings by two forms, with the public key beside the signature', async () => {
    const app = await withThunder()
    const query = new URLSearchParams({ 'to.thunder': '', 'from.thunder': '7' })
    const page = (await app.inject({ url: `/miner/${deposit}/settings/sign?${query}` })).payload
    const unescaped = (text: string) => text.replaceAll('&quot;', '"').replaceAll('&amp;', '&')
    const part = (pattern: RegExp) => unescaped(pattern.exec(page)?.[1] ?? '')
    const text = part(/<pre class="text">([^<]*)<\/pre>/)
    expect(text).toContain(`pay: by thunder to ${bare} from 7 sat`)
    const { publicKey, signature } = proofOf(text)
    const change = part(/name="change" value="([^"]*)"/)
    const reply = await app.inject({
      ...{ method: 'POST', url: `/miner/${deposit}/settings` },
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({
        ...{ change, publicKey: `${publicKey} `, signature: ` ${signature}\r\n` },
      }).toString(),
    })
    expect([reply.statusCode, reply.headers['location']]).toEqual([303, `/miner/${bare}`])
  })
})
