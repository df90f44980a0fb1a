import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sha256 } from '../../src/lib/bitcoin/hash.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { heldDestinations } from '../../src/payouts/held-store.ts'
import { listPayouts } from '../../src/payouts/index.ts'
import { testDatabase } from '../support/database.ts'
import { HOUR_MS, type LightningWorld, lightningWorld, SCHEME } from './lightning-world.ts'
import type { Behaviour } from './simulated-lightning.ts'

const MINUTE = 60_000
const ANNA = 'anna@wallet.example'
const BEN = 'ben@wallet.example'
const FAIR = { ...SCHEME, name: 'fair', feePaidBy: 'payees' } as const
/** The same payee has an account of its own on each. */
const [SECOND, THIRD] = [
  { ...SCHEME, name: 'second' },
  { ...SCHEME, name: 'third' },
]

let world: LightningWorld
beforeEach(async () => {
  world = await lightningWorld(await testDatabase(), [SCHEME, FAIR, SECOND, THIRD])
})
afterEach(async () => {
  expect(await world.complaints()).toEqual([])
  await world.drop()
})

const states = async () => (await world.batches()).map(({ state }) => state)
const planned = async () => {
  world.pass(HOUR_MS)
  await world.plan()
  await world.approve()
}
const runs = async (count: number, ms = 5000) => {
  for (let run = 0; run < count; run++) {
    await world.advance()
    world.pass(ms)
  }
}

const held = async () => [...(await heldDestinations(world.db, world.now())).keys()]

test('everybody is paid in one batch, each by a payment of its own', async () => {
  const account = await world.owe(ANNA, 20_000n)
  await world.owe(BEN, 3000n)
  await planned()
  await runs(3)
  expect(await states()).toEqual(['settled'])
  const [shown] = await listPayouts(world.db, { accounts: [account], before: null, limit: 1 })
  const { hash, preimage } = shown?.payment ?? { hash: '', preimage: '' }
  expect(toHex(sha256(fromHex(preimage)))).toBe(hash)
  expect(world.lightning.received(ANNA)).toEqual([20_000_000n])
  expect(world.lightning.received(BEN)).toEqual([3_000_000n])
})

test('one that cannot be paid is tried again, and then owed again, while the others have theirs', async () => {
  await world.owe(ANNA, 20_000n)
  await world.owe(BEN, 3000n)
  world.lightning.behave(BEN, 'no way')
  await planned()
  await runs(2)
  expect(world.lightning.received(ANNA)).toHaveLength(1)
  expect(await world.payouts()).toEqual([
    [ANNA, 'settled', null],
    [BEN, 'sent', null],
  ])
  await runs(20)
  expect(await states()).toEqual(['settled'])
  expect((await world.payouts())[1]).toEqual([BEN, 'released', 'lnd found no way to pay it'])
  expect(world.lightning.calls.filter(name => name === 'end')).toHaveLength(4)
})

test('nothing is owed again before the signer has said that it pays no more of it', async () => {
  await world.owe(ANNA, 20_000n)
  world.lightning.behave(ANNA, 'no invoice')
  await planned()
  await runs(2)
  world.pass(HOUR_MS)
  world.lightning.loseReplies(() => 'before')
  await runs(3)
  expect(await states()).toEqual(['sent'])
  world.lightning.loseReplies(() => null)
  await runs(1)
  expect(await states()).toEqual(['released'])
  // Whatever is asked of it by now, the signer gives no invoice.
  expect(world.lightning.received(ANNA)).toEqual([])
})

test('who waits for room at the signer keeps its invoice, and is called when there is some', async () => {
  const names = Array.from({ length: 7 }, (_, index) => `p${index}@wallet.example`)
  for (const name of names) await world.owe(name, 2000n)
  world.lightning.takeCalls(1)
  await planned()
  await runs(9, MINUTE)
  expect(await states()).toEqual(['settled'])
  for (const name of names) expect(world.lightning.received(name)).toHaveLength(1)
  expect(world.lightning.calls.filter(name => name === 'invoices')).toHaveLength(1)
  expect(world.lightning.calls).not.toContain('end')
})

test('a call that the signer had no room for is made with the same limit later', async () => {
  await world.owe(ANNA, 20_000n)
  world.lightning.behave(ANNA, 'dear')
  await planned()
  await runs(1)
  world.lightning.takeCalls(0)
  await runs(4)
  world.lightning.takeCalls(1)
  await runs(4)
  expect(await states()).toEqual(['settled'])
  expect(world.lightning.calls).not.toContain('end')
})

test('who has too much on its way waits, and keeps nobody else waiting', async () => {
  // More than the signer calls at once, so that some have no invoice while the first are called.
  const names = Array.from({ length: 52 }, (_, index) => `p${index}@wallet.example`)
  for (const name of [ANNA, ...names]) await world.owe(name, 2000n)
  world.lightning.behave(ANNA, 'has too much')
  await planned()
  await runs(4)
  for (const name of names) expect(world.lightning.received(name)).toHaveLength(1)
  expect(world.lightning.received(ANNA)).toHaveLength(0)
  expect((await world.batches())[0]?.note).toBe('too much is on its way')
  world.lightning.behave(ANNA, 'pays')
  await runs(3)
  expect(await states()).toEqual(['settled'])
})

test('a dear way is taken once its limit allows it', async () => {
  await world.owe(ANNA, 20_000n)
  world.lightning.behave(ANNA, 'dear')
  await planned()
  await runs(6)
  expect(await states()).toEqual(['settled'])
})

test('who holds the money is waited for, however long, and no second invoice is asked for', async () => {
  await world.owe(ANNA, 20_000n)
  await world.owe(BEN, 20_000n)
  world.lightning.behave(ANNA, 'holds')
  world.lightning.behave(BEN, 'holds')
  await planned()
  await runs(30, 10 * MINUTE)
  expect(await states()).toEqual(['sent'])
  expect(world.lightning.calls.filter(name => name === 'invoices')).toHaveLength(1)
  world.lightning.release(ANNA, true)
  world.lightning.release(BEN, false)
  await runs(5)
  expect(world.lightning.received(ANNA)).toHaveLength(1)
  expect(world.lightning.received(BEN)).toHaveLength(0)
  expect(await world.payouts()).toEqual([
    [ANNA, 'settled', null],
    [BEN, 'released', expect.any(String)],
  ])
})

test('who held payments twice waits where there is no other rail, and is told why', async () => {
  const account = await world.owe(ANNA, 20_000n)
  await world.owe(BEN, 20_000n)
  world.lightning.behave(ANNA, 'holds')
  const hold = async (isTaken: boolean) => {
    await planned()
    await runs(12, MINUTE)
    world.lightning.release(ANNA, isTaken)
    await runs(3)
  }
  await hold(true)
  const [first] = await listPayouts(world.db, { accounts: [account], before: null, limit: 1 })
  expect(first).toMatchObject({ state: 'settled', heldAt: expect.any(Number) })
  expect(await held()).toEqual([])
  await world.owe(ANNA, 20_000n, SECOND)
  await hold(true)
  expect(await held()).toEqual([ANNA])
  for (const name of [ANNA, BEN]) await world.owe(name, 20_000n, THIRD)
  await planned()
  await runs(3)
  expect(world.lightning.received(BEN)).toHaveLength(2)
  expect((await world.payouts()).filter(([name]) => name === ANNA)).toHaveLength(2)
  world.lightning.behave(ANNA, 'pays')
  world.pass(6 * HOUR_MS)
  await planned()
  await runs(3)
  expect(world.lightning.received(ANNA)).toHaveLength(3)
  world.pass(31 * 24 * HOUR_MS)
  expect(await held()).toEqual([])
})

test('who lets a payment wait for less than ten minutes has held none', async () => {
  for (const scheme of [SCHEME, SECOND]) {
    await world.owe(ANNA, 20_000n, scheme)
    world.lightning.behave(ANNA, 'holds')
    await planned()
    await runs(10, MINUTE)
    world.lightning.release(ANNA, true)
    await runs(3)
  }
  expect(world.lightning.received(ANNA)).toHaveLength(2)
  expect(await held()).toEqual([])
})

test('what lnd has lost is settled by what its payee shows, and nothing else of it ends', async () => {
  await world.owe(ANNA, 20_000n)
  await world.owe(BEN, 3000n)
  for (const name of [ANNA, BEN]) world.lightning.behave(name, 'holds')
  await planned()
  await runs(3)
  world.lightning.forget()
  world.lightning.release(ANNA, true)
  await runs(8, MINUTE)
  const ended = await world.payouts()
  expect(ended).toEqual([
    [ANNA, 'settled', null],
    [BEN, 'uncertain', null],
  ])
  const fees = await world.db
    .selectFrom('ln_attempts')
    .select(['fee_msat', 'preimage'])
    .where('state', '=', 'settled')
    .execute()
  // Three satoshis and a thousandth, as it could have cost.
  expect(fees).toEqual([{ fee_msat: 23_000n, preimage: expect.stringMatching(/^[0-9a-f]{64}$/) }])
})

test('a server that gives no invoice is asked until the time is up', async () => {
  await world.owe(ANNA, 20_000n)
  world.lightning.behave(ANNA, 'no invoice')
  await planned()
  await runs(3)
  expect((await world.batches())[0]).toEqual({ state: 'uncertain', note: 'its server gives none' })
  world.pass(HOUR_MS)
  await runs(2)
  expect(await states()).toEqual(['released'])
})

test('who bears the fee pays what the payment cost, and keeps the rest', async () => {
  const account = await world.owe(ANNA, 20_000n, FAIR)
  await planned()
  await runs(3)
  // Three satoshis and a thousandth were kept back, and one satoshi was needed.
  expect(world.lightning.received(ANNA)).toEqual([19_977_000n])
  const row = await world.db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
    .select('amount_msat')
    .where('name', '=', `miner:${account}:payable`)
    .executeTakeFirstOrThrow()
  expect(row.amount_msat).toBe(-22_000n)
})

test('who failed is not tried again at once, and is told why', async () => {
  await world.owe(ANNA, 20_000n)
  world.lightning.behave(ANNA, 'no way')
  await planned()
  await runs(20)
  expect(await states()).toEqual(['released'])
  world.lightning.behave(ANNA, 'pays')
  await planned()
  expect(await states()).toEqual(['released'])
  world.pass(6 * HOUR_MS)
  await planned()
  await runs(3)
  expect(await states()).toEqual(['released', 'settled'])
  expect(world.lightning.received(ANNA)).toHaveLength(1)
})

const anyBehaviour = fc.constantFrom<Behaviour>('pays', 'no invoice', 'no way', 'holds', 'dear')
const anyStory = fc.record({
  payees: fc.array(anyBehaviour, { minLength: 1, maxLength: 6 }),
  losses: fc.array(fc.constantFrom('before', 'after', null, null), { maxLength: 40 }),
  changes: fc.array(fc.tuple(fc.nat(5), anyBehaviour, fc.boolean()), { maxLength: 12 }),
})

test('whatever is lost, held and refused, nobody is paid twice, and who is not is owed', async () => {
  await fc.assert(
    fc.asyncProperty(anyStory, async ({ payees, losses, changes }) => {
      const own = await lightningWorld(await testDatabase())
      const left = [...losses]
      own.lightning.loseReplies(() => left.shift() ?? null)
      const names = payees.map((_, index) => `p${index}@wallet.example`)
      for (const [index, name] of names.entries()) {
        own.lightning.behave(name, payees[index] ?? 'pays')
        await own.owe(name, BigInt(1000 + index))
      }
      own.pass(HOUR_MS)
      await own.plan()
      await own.approve()
      for (const [who, behaviour, isTaken] of changes) {
        await own.advance()
        own.pass(MINUTE)
        const name = names[who % names.length] ?? ''
        own.lightning.behave(name, behaviour)
        own.lightning.release(name, isTaken)
        expect(await own.complaints()).toEqual([])
      }
      left.length = 0
      for (const name of names) own.lightning.release(name, false)
      for (let run = 0; run < 40; run++) {
        await own.advance()
        own.pass(2 * MINUTE)
        for (const name of names) own.lightning.release(name, true)
      }
      expect(await own.complaints()).toEqual([])
      const ended = await own.payouts()
      for (const [index, [name, state]] of ended.entries()) {
        const paid = state === 'settled' ? [BigInt(1000 + index) * 1000n] : []
        expect([name, state, own.lightning.received(name)]).toEqual([
          name,
          state === 'settled' ? 'settled' : 'released',
          paid,
        ])
      }
      await own.drop()
    }),
    { numRuns: 12 },
  )
}, 240_000)
