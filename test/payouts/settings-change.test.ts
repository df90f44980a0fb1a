import { ed25519 } from '@noble/curves/ed25519.js'
import * as secp256k1 from 'tiny-secp256k1'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseAddress } from '../../src/lib/bitcoin/address.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { payeeId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { CHANGES_A_DAY_MAX, type PayoutWishes, settingsText } from '../../src/payouts/settings.ts'
import {
  changeSettings,
  type GivenSettings,
  type SettingsRules,
} from '../../src/payouts/settings-change-store.ts'
import { settingsHistory, settingsOf } from '../../src/payouts/settings-store.ts'
import { settingsActHash, verifyEvents } from '../../src/treasury/index.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { holderOf } from '../support/signed-message.ts'
import { addPerson, keyOf, secretOf } from '../treasury/people.ts'
import thunder from '../vectors/thunder-key.json' with { type: 'json' }

const NOW = unixMs(1_800_000_000_000)
const HOUR_MS = 3_600_000
const OTHER = holderOf(9).address
const LIGHTNING = 'name@example.com'
const rules: SettingsRules = {
  pool: 'a pool',
  network: 'regtest',
  coolOffMs: 48 * HOUR_MS,
  destinations: new Map([
    [
      'l1',
      text => {
        const read = parseAddress(text, 'regtest')
        return read.kind === 'address'
          ? { kind: 'payable', canonical: read.text, dust: sats(294n) }
          : { kind: 'unpayable', reason: read.kind }
      },
    ],
  ]),
}
const [key] = thunder.valid
if (!key) throw new Error('there are vectors')

let database: TestDatabase
let holder = holderOf(1)
let byte = 10
beforeAll(async () => {
  database = await testDatabase()
  await addPerson(database.ownerDb, 'olga', ['operator'], [keyOf(1)])
  await addPerson(database.ownerDb, 'vera', ['viewer', 'admin'], [keyOf(2)])
  await addPayee(key.address, 'thunder')
  await addPayee(LIGHTNING, 'lightning')
})
afterAll(() => database.drop())
beforeEach(async () => {
  holder = holderOf(byte++)
  await addPayee(holder.address, 'bitcoin')
})

async function addPayee(destination: string, kind: 'bitcoin' | 'thunder' | 'lightning') {
  await database.db.insertInto('payees').values({ destination, kind, created_ms: 1n }).execute()
}

const wishesTo = (destination: string | null, more: Partial<PayoutWishes> = {}): PayoutWishes => ({
  rails: [{ rail: 'l1', destination, minimum: sats(0n) }],
  paused: false,
  feeRateMax: null,
  ...more,
})
const textOf = (payee: string, number: number, wishes: PayoutWishes) =>
  settingsText({ pool: 'a pool', network: 'regtest', payee, number }, wishes)
const change = (given: GivenSettings, now = NOW) => changeSettings(database.db, rules, given, now)
const signedBy = (signer: typeof holder, number: number, wishes: PayoutWishes): GivenSettings => ({
  payee: holder.address,
  number,
  wishes,
  proof: { kind: 'signature', signature: signer.sign(textOf(holder.address, number, wishes)) },
})
const operatorsAct = (n: number, number: number, wishes: PayoutWishes, reason: string) => {
  const text = textOf(holder.address, number, wishes)
  const signature = secp256k1.signSchnorr(settingsActHash(text, reason), secretOf(n))
  return {
    payee: holder.address,
    number,
    wishes,
    proof: { kind: 'operator', operator: keyOf(n), reason, signature },
  } as const
}
const current = async () => {
  const row = await database.db
    .selectFrom('payees')
    .select('id')
    .where('destination', '=', holder.address)
    .executeTakeFirstOrThrow()
  const id = payeeId(row.id)
  return (await settingsOf(database.db, [id])).get(id) ?? null
}
const events = () => database.db.selectFrom('audit_events').selectAll().execute()

describe('a payee’s own change', () => {
  test('holds once it is signed by the payee’s key, and is in the log', async () => {
    expect(await current()).toBeNull()
    const wishes = wishesTo(OTHER, { feeRateMax: sats(5000n) })
    const outcome = await change(signedBy(holder, 1, wishes))
    const settings = { ...wishes, number: 1, paysFrom: NOW + 48 * HOUR_MS, destinationsBy: null }
    expect(outcome).toEqual({ kind: 'changed', settings })
    expect(await current()).toEqual(settings)
    const [last] = (await events()).slice(-1)
    expect(last).toMatchObject({
      actor: `payee:${holder.address}`,
      action: 'set payout settings',
      detail: { proof: 'bip322', text: textOf(holder.address, 1, wishes) },
    })
    expect(await verifyEvents(database.db)).toEqual([])
  })

  test('does not hold by another key, for other wishes, or a second time', async () => {
    const wishes = wishesTo(OTHER)
    const unproven = { kind: 'unproven', reason: expect.any(String) }
    expect(await change(signedBy(holderOf(200), 1, wishes))).toEqual(unproven)
    const given = signedBy(holder, 1, wishes)
    expect(await change({ ...given, wishes: wishesTo(holderOf(7).address) })).toEqual(unproven)
    expect(await change({ ...given, wishes: { ...wishes, paused: true } })).toEqual(unproven)
    expect(await current()).toBeNull()
    expect((await change(given)).kind).toBe('changed')
    expect(await change(given)).toEqual({ kind: 'outdated', next: 2 })
    expect(await change({ ...given, number: 2 })).toEqual(unproven)
    expect(await change({ ...given, number: 3 })).toEqual({ kind: 'outdated', next: 2 })
  })

  test('is not another pool’s', async () => {
    const given = signedBy(holder, 1, wishesTo(OTHER))
    const elsewhere = { ...rules, pool: 'another' }
    const outcome = await changeSettings(database.db, elsewhere, given, NOW)
    expect(outcome.kind).toBe('unproven')
    expect(await current()).toBeNull()
  })

  test('of many at one time is one', async () => {
    const all = Array.from({ length: 8 }, (_, i) =>
      change(signedBy(holder, 1, wishesTo(null, { feeRateMax: sats(BigInt(i + 1)) }))),
    )
    const kinds = (await Promise.all(all)).map(({ kind }) => kind).sort()
    expect(kinds).toEqual(['changed', ...Array.from({ length: 7 }, () => 'outdated')])
    expect((await current())?.number).toBe(1)
  })

  test('comes at most so often a day', async () => {
    for (let i = 1; i <= CHANGES_A_DAY_MAX; i++)
      expect((await change(signedBy(holder, i, wishesTo(null)))).kind).toBe('changed')
    const further = signedBy(holder, CHANGES_A_DAY_MAX + 1, wishesTo(null))
    expect(await change(further)).toEqual({ kind: 'too many' })
    expect((await change(further, unixMs(NOW + 24 * HOUR_MS))).kind).toBe('changed')
  })

  test('is refused to who has never mined, and where the wishes cannot be', async () => {
    const given = signedBy(holder, 1, wishesTo(OTHER))
    expect(await change({ ...given, payee: OTHER })).toEqual({ kind: 'unknown payee' })
    expect((await change({ ...given, wishes: wishesTo('nonsense') })).kind).toBe('refused')
  })
})

describe('other payees', () => {
  test('a Thunder payee signs with the key of its address', async () => {
    const wishes = wishesTo(OTHER)
    const text = utf8(textOf(key.address, 1, wishes))
    const publicKey = fromHex(key.publicKey)
    const signature = ed25519.sign(text, fromHex(key.privateKey))
    const proof = { kind: 'thunder', publicKey, signature } as const
    const given = { payee: key.address, number: 1, wishes, proof }
    const wrong = { ...proof, signature: signature.map(each => each ^ 1) }
    expect((await change({ ...given, proof: wrong })).kind).toBe('unproven')
    expect((await change(given)).kind).toBe('changed')
    const [row] = await settingsHistory(database.db, key.address, { before: null, limit: 9 })
    expect(row).toMatchObject({ proof: 'ed25519', operator: null })
  })

  test('a Lightning payee has no key, so that nobody but an operator changes what it gets', async () => {
    const wishes = wishesTo(OTHER)
    for (const signature of ['AA==', holder.sign(textOf(LIGHTNING, 1, wishes))]) {
      const proof = { kind: 'signature', signature } as const
      expect(await change({ payee: LIGHTNING, number: 1, wishes, proof })).toEqual({
        ...{ kind: 'unproven', reason: expect.stringContaining('an operator') },
      })
    }
  })
})

describe('an operator’s change', () => {
  test('holds with a reason, by its name, and waits for the cool-off like any other', async () => {
    const outcome = await change(operatorsAct(1, 1, wishesTo(OTHER), 'key lost, seen in person'))
    expect(outcome).toMatchObject({ kind: 'changed', settings: { destinationsBy: keyOf(1) } })
    expect((await current())?.paysFrom).toBe(NOW + 48 * HOUR_MS)
    const [row] = await settingsHistory(database.db, holder.address, { before: null, limit: 9 })
    expect(row).toMatchObject({
      proof: 'operator',
      operator: 'olga',
      reason: 'key lost, seen in person',
    })
    expect((await events()).at(-1)).toMatchObject({ actor: 'operator:olga' })
  })

  test('does not hold with another reason, by who may not, or by nobody', async () => {
    const given = operatorsAct(1, 1, wishesTo(OTHER), 'a reason')
    const other = { ...given, proof: { ...given.proof, reason: 'another' } }
    expect((await change(other)).kind).toBe('unproven')
    expect((await change({ ...given, number: 2 })).kind).toBe('outdated')
    for (const n of [2, 3])
      expect(await change(operatorsAct(n, 1, wishesTo(OTHER), 'why'))).toEqual({
        kind: 'unknown operator',
      })
    expect(await current()).toBeNull()
  })
})

test('the history is newest first, page by page, with what was signed', async () => {
  for (let i = 1; i <= 3; i++) await change(signedBy(holder, i, wishesTo(null)))
  const all = await settingsHistory(database.db, holder.address, { before: null, limit: 100 })
  expect(all.map(({ number }) => number)).toEqual([3, 2, 1])
  expect(all[2]?.text).toBe(textOf(holder.address, 1, wishesTo(null)))
  const older = await settingsHistory(database.db, holder.address, { before: 3, limit: 1 })
  expect(older.map(({ number }) => number)).toEqual([2])
})
