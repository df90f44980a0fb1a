import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Act } from '../../src/approval/act.ts'
import { type SpendPolicy, verdictText } from '../../src/approval/policy.ts'
import {
  chartAccount,
  type Leg,
  mergeLegs,
  minerAccount,
  postEntries,
} from '../../src/ledger/index.ts'
import { accountId, type BatchId, type Digest, journalKey, unixMs } from '../../src/lib/ids.ts'
import { millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import { autoApprove, decideBatch, judgeBatch } from '../../src/payouts/decide-store.ts'
import { endLease, takeLease } from '../../src/payouts/payout-store.ts'
import { lockSpending } from '../../src/payouts/spent-store.ts'
import { approversOf } from '../../src/treasury/approval-store.ts'
import { eventsAfter, verifyEvents } from '../../src/treasury/audit-event-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { APPROVE, POLICY, POOL_KEY, person, REJECT, signedBy } from '../treasury/approvers.ts'
import { addPerson, keyOf, secretOf } from '../treasury/people.ts'
import {
  addBatchRow,
  addVersionRow,
  type BatchRow,
  DAY_MS,
  lockWaiters,
  NOW_MS,
} from './batch-rows.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const NOW = unixMs(NOW_MS)
const PARTS = { clock: { now: () => NOW } }
const AUTO_POLICY: SpendPolicy = {
  ...POLICY,
  auto: { poolKey: keyOf(POOL_KEY), perBatch: sats(10_100n), perDay: sats(30_000n) },
}
type Batch = { readonly batch: BatchId; readonly hash: Digest }

/** A batch of 10,100 sat, which takes three approvals, with its payouts in flight in the ledger. */
async function plan(row: Partial<BatchRow> = {}): Promise<Batch> {
  const planned = await addBatchRow(database.db, { number: 1, ...row })
  const payouts = await database.db
    .selectFrom('payouts')
    .select(['account_id', 'amount_sats'])
    .where('batch_id', '=', planned.batch)
    .execute()
  const legs = payouts.flatMap(({ account_id, amount_sats }): Leg[] => {
    const amount = msatsFromSats(sats(amount_sats))
    return [
      { account: minerAccount(accountId(account_id), 'inflight'), amount: millisats(-amount) },
      { account: chartAccount('l1Float'), amount },
    ]
  })
  const key = journalKey(`test:${planned.batch}`)
  const entry = { key, event: 'test', legs: mergeLegs(legs), at: NOW }
  await database.db.transaction().execute(tx => postEntries(tx, [entry]))
  return planned
}

const act = ({ batch, hash }: Batch, n: number, said: Act, policy: SpendPolicy = POLICY) =>
  decideBatch(database.db, policy, { batch, act: signedBy(n, said, hash) }, PARTS)
const approve = (batch: Batch, ...people: readonly number[]) =>
  people.reduce<Promise<unknown>>(
    (before, n) => before.then(() => act(batch, n, APPROVE)),
    Promise.resolve(),
  )
const rowOf = ({ batch }: Batch) =>
  database.db
    .selectFrom('batches')
    .select(['state', 'note', 'auto_approved'])
    .where('id', '=', batch)
    .executeTakeFirstOrThrow()
const judged = ({ batch }: Batch, policy: SpendPolicy = POLICY, at = NOW) =>
  judgeBatch(database.db, policy, batch, at)
const events = () => eventsAfter(database.db, 0n, 100)
const withoutBob = { ...POLICY, operators: POLICY.operators.filter(({ alias }) => alias !== 'bob') }

test('the approvals of three people approve, and every act is an event', async () => {
  const batch = await plan()
  await approve(batch, 1, 2)
  expect(await rowOf(batch)).toMatchObject({ state: 'planned' })
  expect(await judged(batch)).toEqual({ kind: 'waits', approvals: 2, needed: 3 })
  expect(await act(batch, 3, APPROVE)).toEqual({ kind: 'accepted', batch: 'approved' })
  expect(await rowOf(batch)).toMatchObject({ state: 'approved', auto_approved: false })
  expect(await judged(batch)).toEqual({ kind: 'approved', by: 'operators' })
  expect((await events()).map(({ actor, action, subject }) => [actor, action, subject])).toEqual([
    ['operator:alice', 'approve', 'batch:1'],
    ['operator:bob', 'approve', 'batch:1'],
    ['operator:carol', 'approve', 'batch:1'],
  ])
  expect(await verifyEvents(database.db)).toEqual([])
})

test('whoever is no approver is refused while the batch is locked by another', async () => {
  const batch = await plan()
  await database.db.transaction().execute(async tx => {
    await tx.selectFrom('batches').selectAll().forUpdate().execute()
    expect(await act(batch, 9, APPROVE)).toEqual({ kind: 'refused', reason: 'unknown operator' })
    expect(await act(batch, 4, REJECT)).toEqual({ kind: 'refused', reason: 'not an approver' })
    const forged = { ...signedBy(1, APPROVE, batch.hash), signature: new Uint8Array(64) }
    const given = { batch: batch.batch, act: forged }
    const verdict = await decideBatch(database.db, POLICY, given, PARTS)
    expect(verdict).toEqual({ kind: 'refused', reason: 'bad signature' })
  })
  expect(await events()).toEqual([])
})

for (const [what, approvers] of [
  ['planned', [1]],
  ['approved', [1, 2, 3]],
] as const)
  test(`a rejection ends a batch that is ${what}, and says who and why`, async () => {
    const batch = await plan()
    await approve(batch, ...approvers)
    expect(await rowOf(batch)).toMatchObject({ state: what })
    const said: Act = { kind: 'reject', reason: 'the amount is a typo' }
    expect(await act(batch, 1, said)).toEqual({ kind: 'accepted', batch: 'rejected' })
    expect(await rowOf(batch)).toMatchObject({
      state: 'released',
      note: 'rejected by alice: the amount is a typo',
    })
    expect((await events()).at(-1)).toMatchObject({
      actor: 'operator:alice',
      action: 'reject',
      detail: { reason: 'the amount is a typo', manifest: batch.hash },
    })
    expect(await act(batch, 2, REJECT)).toEqual({ kind: 'refused', reason: 'already decided' })
  })

test('a rejection takes the batch from whoever works on it, and its word stays', async () => {
  const batch = await plan()
  await approve(batch, 1, 2, 3)
  const lease = await takeLease(database.db, batch.batch, 'a worker')
  await act(batch, 1, REJECT)
  if (lease) await endLease(database.db, lease, 'it waits for a fee')
  expect(await rowOf(batch)).toMatchObject({ state: 'released', note: 'rejected by alice: no' })
})

test("a destination's part of the day holds back what was approved", async () => {
  const limits = { ...POLICY.limits, perDestinationPerDay: sats(15_000n) }
  const batch = await plan()
  await approve(batch, 1, 2, 3)
  expect(await judged(batch, { ...POLICY, limits })).toMatchObject({ kind: 'approved' })
  await plan({ number: 2 })
  expect(await judged(batch, { ...POLICY, limits })).toEqual({
    kind: 'refused',
    why: { kind: 'per destination', destination: 'payee-a', limit: 15_000n },
  })
})

test('once something was given to be signed, no rejection ends it', async () => {
  const batch = await plan()
  await approve(batch, 1, 2, 3)
  await addVersionRow(database.db, batch.batch, NOW)
  expect(await act(batch, 1, REJECT)).toEqual({ kind: 'refused', reason: 'already decided' })
  expect(await rowOf(batch)).toMatchObject({ state: 'approved' })
})

test('what was given to a stricter signer takes the approvals that it waits for', async () => {
  const batch = await plan()
  const lax: SpendPolicy = { ...POLICY, bands: [{ upTo: null, approvals: 1 }] }
  expect(await act(batch, 1, APPROVE, lax)).toEqual({ kind: 'accepted', batch: 'approved' })
  expect(await act(batch, 2, APPROVE, lax)).toMatchObject({ reason: 'already decided' })
  await addVersionRow(database.db, batch.batch, NOW)
  expect(await act(batch, 2, APPROVE, lax)).toEqual({ kind: 'accepted', batch: 'approved' })
  expect(await rowOf(batch)).toMatchObject({ state: 'approved' })
})

test('an approver who left holds an approved batch back until another approves', async () => {
  const batch = await plan()
  await approve(batch, 1, 2, 3)
  const verdict = await judged(batch, withoutBob)
  expect(verdictText(verdict)).toBe('it has 2 of the 3 approvals it needs')
  const policy = { ...withoutBob, operators: [...withoutBob.operators, person('dave', [5])] }
  expect(await act(batch, 5, APPROVE, policy)).toEqual({ kind: 'accepted', batch: 'approved' })
  expect(await judged(batch, policy)).toEqual({ kind: 'approved', by: 'operators' })
  expect(await rowOf(batch)).toMatchObject({ state: 'approved' })
})

test('a database that says approved, with acts of its own making, approves nothing', async () => {
  const batch = await plan()
  const forged = [1, 2, 3].map(n => ({
    ...{ batch_id: batch.batch, operator_key: keyOf(n), act: 'approve' as const },
    ...{ manifest_hash: batch.hash, reason: '', given_ms: 1n },
    signature: signedBy(n, REJECT, batch.hash).signature,
  }))
  await database.ownerDb.insertInto('approvals').values(forged).execute()
  await database.ownerDb.updateTable('batches').set({ state: 'approved' }).execute()
  expect(await judged(batch)).toEqual({ kind: 'waits', approvals: 0, needed: 3 })
})

test('the day holds back what was approved, and lets it go when others are gone', async () => {
  const policy = { ...POLICY, limits: { ...POLICY.limits, perDay: sats(20_000n) } }
  const batch = await plan()
  const other = await plan({ number: 2, state: 'settled' })
  await approve(batch, 1, 2, 3)
  expect(await judged(batch, policy)).toMatchObject({ kind: 'refused', why: { kind: 'per day' } })
  expect(await judged(batch, policy, unixMs(NOW_MS + DAY_MS))).toMatchObject({ kind: 'approved' })
  expect(other.batch).toBe(2n)
})

const auto = (policy = AUTO_POLICY, parts = PARTS) =>
  autoApprove(database.db, policy, secretOf(POOL_KEY), parts)

test("the pool's key approves within its band, in the commit that says so", async () => {
  const batch = await plan()
  expect(await auto()).toEqual([batch.batch])
  expect(await rowOf(batch)).toMatchObject({ state: 'approved', auto_approved: true })
  expect(await judged(batch, AUTO_POLICY)).toEqual({ kind: 'approved', by: 'pool' })
  // Whoever takes the band away takes the approval with it.
  expect(await judged(batch, POLICY)).toEqual({ kind: 'waits', approvals: 0, needed: 3 })
  expect(await events()).toMatchObject([{ actor: 'pool', action: 'approve', subject: 'batch:1' }])
  expect(await auto()).toEqual([])
})

const band = (changed: object): SpendPolicy => ({
  ...AUTO_POLICY,
  auto: AUTO_POLICY.auto && { ...AUTO_POLICY.auto, ...changed },
})
const untouched: readonly (readonly [string, Partial<BatchRow>, SpendPolicy])[] = [
  ['above its band', {}, band({ perBatch: sats(10_099n) })],
  ['that expires now', { createdMs: NOW_MS - DAY_MS }, AUTO_POLICY],
  ['without a band', {}, POLICY],
  [
    'above the ceiling of all',
    {},
    { ...AUTO_POLICY, limits: { ...POLICY.limits, perDay: sats(1n) } },
  ],
  ['for a destination not listed', {}, { ...AUTO_POLICY, allowList: new Set() }],
]
for (const [what, row, policy] of untouched)
  test(`the pool's key does not approve a batch ${what}`, async () => {
    const batch = await plan(row)
    expect(await auto(policy)).toEqual([])
    expect(await rowOf(batch)).toMatchObject({ state: 'planned', auto_approved: false })
    expect(await events()).toEqual([])
  })

test('runs at once approve each batch once, and together no more than the day of the band', async () => {
  for (let number = 1; number <= 4; number++) await plan({ number })
  const approved = (await Promise.all([auto(), auto(), auto()])).flat()
  expect(approved.toSorted()).toEqual([1n, 2n])
  const rows = await database.db.selectFrom('batches').select(['id', 'auto_approved']).execute()
  expect(rows.filter(row => row.auto_approved)).toHaveLength(2)
  expect(await events()).toHaveLength(2)
})

test('what a planner takes of the day meanwhile is seen before the pool approves', async () => {
  const batch = await plan()
  const policy = { ...AUTO_POLICY, limits: { ...POLICY.limits, perDay: sats(20_000n) } }
  let run: Promise<readonly BatchId[]> = Promise.resolve([])
  await database.db.transaction().execute(async tx => {
    await lockSpending(tx)
    run = auto(policy)
    await vi.waitFor(async () => expect(await lockWaiters(tx)).toBe(1), { timeout: 45_000 })
    await addBatchRow(tx, { number: 2 })
  })
  expect(await run).toEqual([])
  expect(await rowOf(batch)).toMatchObject({ state: 'planned' })
})

test("people approve what is above the pool's day, and one of them ends what it approved", async () => {
  const first = await plan()
  await auto(band({ perDay: sats(10_100n) }))
  const second = await plan({ number: 2 })
  expect(await auto(band({ perDay: sats(10_100n) }))).toEqual([])
  await approve(second, 1, 2, 3)
  expect(await rowOf(second)).toMatchObject({ state: 'approved', auto_approved: false })
  const verdict = await act(first, 1, REJECT, AUTO_POLICY)
  expect(verdict).toEqual({ kind: 'accepted', batch: 'rejected' })
})

test('approvers are told by alias, a person once, and the pool as itself', async () => {
  for (const { alias, keys } of POLICY.operators)
    await addPerson(
      database.db,
      alias,
      ['approver'],
      keys.map(({ key }) => key),
    )
  const byPeople = await plan({ payees: [['a', 50_000n]] })
  const others = POLICY.operators.filter(({ alias }) => alias !== 'alice')
  const band = [{ upTo: null, approvals: 9 }]
  const policy = { ...POLICY, bands: band, operators: [...others, person('alice', [11])] }
  await act(byPeople, 2, APPROVE, { ...POLICY, bands: band })
  await act(byPeople, 1, APPROVE, { ...POLICY, bands: band })
  await act(byPeople, 11, APPROVE, policy)
  const byPool = await plan({ number: 2 })
  await auto()
  const nobodys = await plan({ number: 3 })
  const all = [byPeople, byPool, nobodys].map(({ batch }) => batch)
  const approvers = await approversOf(database.db, all)
  expect(approvers.get(byPeople.batch)?.toSorted()).toEqual(['alice', 'bob'])
  expect(approvers.get(byPool.batch)).toEqual(['pool'])
  expect(approvers.has(nobodys.batch)).toBe(false)
})
