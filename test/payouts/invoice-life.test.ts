import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AccountId } from '../../src/lib/ids.ts'
import { type GivenInvoice, takeInvoice } from '../../src/payouts/invoice-store.ts'
import type { Scheme } from '../../src/payouts/scheme.ts'
import { testDatabase } from '../support/database.ts'
import { writeInvoice } from '../support/invoice.ts'
import { holderOf } from '../support/signed-message.ts'
import { HOUR_MS, type LightningWorld, lightningWorld, SCHEME } from './lightning-world.ts'
import { credit, setSettings } from './plan-world.ts'

const MINUTE = 60_000
const FAIR: Scheme = { ...SCHEME, name: 'fair', feePaidBy: 'payees' }
const ANNA = 'anna@wallet.example'
const holder = holderOf(1)
const other = holderOf(2)
let coolOffMs = 0

let world: LightningWorld
beforeEach(async () => {
  coolOffMs = 0
  world = await lightningWorld(await testDatabase(), [SCHEME, FAIR])
})
afterEach(async () => {
  expect(await world.complaints()).toEqual([])
  await world.drop()
})

const rules = () => ({
  ...({ pool: 'a pool', network: 'regtest', schemes: [SCHEME, FAIR] } as const),
  coolOffMs,
})
const take = (more: Partial<GivenInvoice>) => {
  const given = { payee: holder.address, scheme: SCHEME.name, invoice: '', proof: null, ...more }
  return takeInvoice(world.db, rules(), given, world.now())
}
/** Asks what to sign, signs it, and uploads. */
async function upload(invoice: string, more: Partial<GivenInvoice> = {}, signer = holder) {
  const given = { invoice, payee: signer.address, ...more }
  const asked = await take(given)
  if (asked.kind !== 'unsigned') return asked
  return take({ ...given, proof: { kind: 'signature', signature: signer.sign(asked.text) } })
}
const why = async (...given: Parameters<typeof upload>) => {
  const outcome = await upload(...given)
  return 'reason' in outcome ? outcome.reason : outcome.kind
}
const bring = (amountSats: bigint, expirySeconds?: number) =>
  world.lightning.bring('anna', amountSats, expirySeconds)
const received = () => world.lightning.received('anna')
const states = async () => (await world.payouts()).map(([, state]) => state)
const runs = async (count: number, ms = 5000) => {
  for (let run = 0; run < count; run++) {
    await world.advance()
    world.pass(ms)
  }
}
const plan = async () => {
  await world.plan()
  await world.approve()
}
async function payable(account: AccountId): Promise<bigint> {
  const row = await world.db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
    .select('amount_msat')
    .where('name', '=', `miner:${account}:payable`)
    .executeTakeFirstOrThrow()
  return -row.amount_msat
}
const invoices = () =>
  world.db.selectFrom('uploaded_invoices').select(['payout_id', 'ended_ms']).orderBy('id').execute()

test('an invoice is paid once, before the interval is over, and the rest stays owed', async () => {
  const account = await world.owe(holder.address, 20_000n)
  const invoice = bring(15_000n)
  expect(await upload(invoice)).toMatchObject({ kind: 'taken' })
  await plan()
  await runs(3)
  expect(await world.payouts()).toEqual([[invoice, 'settled', null]])
  expect(received()).toEqual([15_000_000n])
  expect(await payable(account)).toBe(5_000_000n)
  expect(await why(invoice)).toContain('used before')
  world.pass(2 * HOUR_MS)
  await plan()
  expect(await states()).toEqual(['settled'])
})

test('who bears the fee is paid when the balance covers it, and keeps what it did not cost', async () => {
  const account = await world.owe(holder.address, 20_022n, FAIR)
  // Three satoshis and a thousandth, rounded up, may be its cost.
  expect(await why(bring(20_000n), { scheme: 'fair' })).toBe('taken')
  await plan()
  expect(await states()).toEqual([])
  await credit(world.db, account, 1n)
  await plan()
  await runs(3)
  expect(received()).toEqual([20_000_000n])
  expect(await payable(account)).toBe(22_000n)
})

test('one that the balance does not cover waits, and lapses, and nothing was planned', async () => {
  const account = await world.owe(holder.address, 20_000n)
  await setSettings(world.db, account, { rail: 'lightning', destination: ANNA })
  expect(await why(bring(20_001n, 7200))).toBe('taken')
  world.pass(HOUR_MS)
  await plan()
  expect(await states()).toEqual([])
  world.pass(45 * MINUTE)
  await plan()
  await runs(3)
  expect(await world.payouts()).toEqual([[ANNA, 'settled', null]])
  expect(received()).toEqual([])
})

test('one that cannot be paid is tried once, and the account goes its ordinary way', async () => {
  const account = await world.owe(holder.address, 20_000n)
  await setSettings(world.db, account, { rail: 'lightning', destination: ANNA })
  const invoice = bring(15_000n)
  await upload(invoice)
  world.lightning.behave('anna', 'no way')
  await plan()
  await runs(20)
  expect(await world.payouts()).toEqual([[invoice, 'released', 'lnd found no way to pay it']])
  expect(world.lightning.calls.filter(name => name === 'invoices')).toHaveLength(1)
  expect(await payable(account)).toBe(20_000_000n)
  world.lightning.behave('anna', 'pays')
  world.pass(HOUR_MS)
  await plan()
  await runs(3)
  expect((await world.payouts())[0]).toEqual([ANNA, 'settled', null])
  expect(received()).toEqual([])
})

test('one that expires before it is approved ends with the batch, and is never called', async () => {
  await world.owe(holder.address, 20_000n)
  const invoice = bring(15_000n)
  await upload(invoice)
  await world.plan()
  world.pass(59 * MINUTE)
  await world.approve()
  await runs(3, 1000)
  expect(await world.payouts()).toEqual([
    [invoice, 'released', 'the invoice expired before it could be paid'],
  ])
  expect(received()).toEqual([])
  expect(world.lightning.calls).not.toContain('pay')
})

test('one of a batch that nobody approves is over with it', async () => {
  const account = await world.owe(holder.address, 20_000n)
  await upload(bring(15_000n, 7200))
  await world.plan()
  world.pass(HOUR_MS)
  await runs(2)
  expect(await states()).toEqual(['released'])
  expect(await payable(account)).toBe(20_000_000n)
  await plan()
  expect(await states()).toEqual(['released'])
  expect(await invoices()).toEqual([
    { payout_id: expect.any(BigInt), ended_ms: expect.any(BigInt) },
  ])
})

test('whatever is lost on the way, it is paid once', async () => {
  await world.owe(holder.address, 20_000n)
  await upload(bring(15_000n))
  const losses = ['after', 'before', 'after', 'after', 'before'] as const
  const left = [...losses]
  world.lightning.loseReplies(() => left.shift() ?? null)
  await plan()
  await runs(12)
  expect(received()).toEqual([15_000_000n])
  expect(await states()).toEqual(['settled'])
})

test('however many plan at once, it is planned once', async () => {
  await world.owe(holder.address, 50_000n)
  await upload(bring(15_000n))
  await Promise.all([world.plan(), world.plan(), world.plan()])
  expect(await states()).toEqual(['planned'])
})

test('who could be a thief waits for the cool-off, and a pause keeps it from being paid', async () => {
  coolOffMs = 48 * HOUR_MS
  const account = await world.owe(holder.address, 20_000n)
  expect(await why(bring(15_000n))).toContain('good for 48 h 30 min more')
  expect(await why(bring(15_000n, 7 * 86_400))).toBe('taken')
  world.pass(48 * HOUR_MS - 1)
  await plan()
  expect(await states()).toEqual([])
  await setSettings(world.db, account, { paused: true })
  world.pass(1)
  await plan()
  expect(await states()).toEqual([])
  await setSettings(world.db, account, { rail: 'lightning', destination: ANNA })
  await plan()
  expect(await states()).toEqual(['approved'])
})

test('one is open at a time, and three a day are taken', async () => {
  await world.owe(holder.address, 1500n)
  expect(await why(bring(20_000n, 2000))).toBe('taken')
  expect(await why(bring(20_000n, 2000))).toContain('is open')
  for (const answer of ['taken', 'taken', 'at most 3']) {
    world.pass(20 * MINUTE)
    expect(await why(bring(20_000n, 2000))).toContain(answer)
  }
  world.pass(24 * HOUR_MS)
  expect(await why(bring(20_000n, 2000))).toBe('taken')
})

test('of many who upload one at a time, one does', async () => {
  for (const who of [holder, other]) await world.owe(who.address, 20_000n)
  const shared = bring(15_000n)
  const same = await Promise.all([holder, other, holder, other].map(who => why(shared, {}, who)))
  expect(same.filter(each => each === 'taken')).toHaveLength(1)
  const own = await Promise.all([1, 2, 3].map(() => why(bring(9000n), { scheme: 'fair' })))
  expect(own).toEqual(Array(3).fill('unknown account'))
})

test('a hash that an address gave is taken by no account', async () => {
  await world.owe(ANNA, 20_000n)
  await world.owe(holder.address, 20_000n)
  world.pass(HOUR_MS)
  await plan()
  await runs(3)
  const [attempt] = await world.db.selectFrom('ln_attempts').select('payment_hash').execute()
  const paymentHash = attempt?.payment_hash ?? ''
  const createdAtSeconds = Math.floor(world.now() / 1000)
  const invoice = writeInvoice({ paymentHash, createdAtSeconds, prefix: 'lnbcrt150u' })
  expect(await why(invoice)).toContain('used before')
})

test('only who holds the key uploads one, and for that very invoice', async () => {
  await world.owe(holder.address, 20_000n)
  const invoice = bring(15_000n)
  const asked = await take({ invoice })
  if (asked.kind !== 'unsigned') throw new Error(asked.kind)
  const by = (signature: string) => ({ kind: 'signature', signature }) as const
  const forged = [
    { invoice, proof: by(other.sign(asked.text)) },
    { invoice: bring(15_000n), proof: by(holder.sign(asked.text)) },
    { invoice, scheme: 'fair', proof: by(holder.sign(asked.text)) },
  ]
  const kinds = await Promise.all(forged.map(async each => (await take(each)).kind))
  expect(kinds).toEqual(['unproven', 'unproven', 'unknown account'])
  expect(await invoices()).toEqual([])
})

test('a Lightning address has no key to sign with', async () => {
  const created_ms = BigInt(world.now())
  await world.db
    .insertInto('payees')
    .values({ kind: 'lightning', destination: ANNA, created_ms })
    .execute()
  await world.owe(ANNA, 20_000n)
  const proof = { kind: 'signature', signature: holder.sign('anything') } as const
  expect(await take({ payee: ANNA, invoice: bring(15_000n), proof })).toMatchObject({
    ...{ kind: 'unproven', reason: expect.stringContaining('no key to sign with') },
  })
})

test('another invoice than the one that was approved is not written down, whoever gives it', async () => {
  await world.owe(holder.address, 20_000n)
  const invoice = bring(15_000n)
  await upload(invoice)
  world.lightning.behave(invoice, 'another invoice')
  await plan()
  await runs(3)
  expect((await world.batches())[0]?.note).toContain('not the one that the manifest names')
  expect(await world.db.selectFrom('ln_attempts').selectAll().execute()).toEqual([])
  expect(world.lightning.calls).not.toContain('pay')
})

test('what was uploaded never changes, and what has ended stays so', async () => {
  await world.owe(holder.address, 20_000n)
  await upload(bring(15_000n))
  const change = (set: object) => world.db.updateTable('uploaded_invoices').set(set).execute()
  await expect(change({ amount_sats: 1n })).rejects.toThrow('stays as it was')
  await world.plan()
  await expect(change({ payout_id: null, ended_ms: null })).rejects.toThrow('for one payment')
})
