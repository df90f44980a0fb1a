import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import { utf8 } from '../../src/lib/bytes.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { insertVersion } from '../support/version.ts'
import { addPerson, addToken, keyOf } from '../treasury/people.ts'

/** An address of the regtest network, and a worker's name that would like to be a script. */
export const MINER = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
export const OTHER = 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk'
export const WORKER_SCRIPT = '<script>alert(1)</script>'
export const NOW_MS = 1_800_000_000_000
export const EPOCHS = 30
export const BLOCKS = 3
export const EPOCH_MS = 60_000
export const WORK = 10n ** 24n
const FIRST_HEIGHT = 100

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export const blockHashAt = (index: number) => sha256Hex(`block ${index}`)
export const tokenOfTests = 'a-token-of-the-tests'

/** Some history of a pool, as its rooms would have written it. Amounts are easy to add up. */
export async function seed(db: Kysely<Database>): Promise<void> {
  await seedMiners(db)
  await seedEpochs(db)
  await seedBlocks(db)
  await seedRewards(db)
  await seedBatches(db)
  await seedBalances(db)
  await seedReader(db)
}

/** A viewer, whose token opens what there is to read. */
export async function seedReader(db: Kysely<Database>) {
  const key = keyOf(77)
  const operator = await addPerson(db, 'reader', ['viewer'], [key])
  await addToken(db, { operator, key, token: tokenOfTests })
}

async function seedMiners(db: Kysely<Database>) {
  const created_ms = BigInt(NOW_MS - 10_000_000)
  const payees = [MINER, OTHER].map(destination => ({
    kind: 'bitcoin' as const,
    destination,
    created_ms,
  }))
  await db.insertInto('payees').values(payees).execute()
  const accounts = [
    { payee_id: 1n, scheme: 'pplns', created_ms },
    { payee_id: 1n, scheme: 'pps', created_ms },
    { payee_id: 2n, scheme: 'pplns', created_ms },
  ]
  await db.insertInto('accounts').values(accounts).execute()
  const workers = [
    { account_id: 1n, name: WORKER_SCRIPT, created_ms },
    { account_id: 1n, name: 'rig2', created_ms },
    { account_id: 2n, name: '', created_ms },
    { account_id: 3n, name: 'other', created_ms },
  ]
  await db.insertInto('workers').values(workers).execute()
}

async function seedEpochs(db: Kysely<Database>) {
  const start = NOW_MS - EPOCHS * EPOCH_MS
  let previous: string | null = null
  for (let id = 1; id <= EPOCHS + 1; id++) {
    const open = id > EPOCHS
    const opened = BigInt(start + (id - 1) * EPOCH_MS)
    const closed = opened + BigInt(EPOCH_MS)
    await db
      .insertInto('epochs')
      .values({
        id: BigInt(id),
        opened_ms: opened,
        block_target: Uint8Array.from({ length: 32 }, (_, i) => (i < 8 ? 0 : 255)),
        subsidy_sats: 5_000_000_000n,
        closed_ms: open ? null : closed,
        close_reason: open ? null : 'time',
      })
      .execute()
    if (open) continue
    const bytes = utf8(JSON.stringify({ epoch: String(id), previous, version: 1 }))
    const hash = sha256Hex(bytes)
    const statement = { epoch_id: BigInt(id), hash, previous_hash: previous, bytes }
    await db
      .insertInto('work_statements')
      .values({ ...statement, created_ms: closed })
      .execute()
    previous = hash
    const height = FIRST_HEIGHT + id
    const worked = [1n, 2n, 3n, 4n].map(worker_id => ({
      epoch_id: BigInt(id),
      height,
      worker_id,
      account_id: worker_id <= 2n ? 1n : worker_id - 1n,
      shares: 10n,
      work: WORK,
    }))
    await db.insertInto('worker_work').values(worked).execute()
    const tip = { height, hash: sha256Hex(`tip ${id}`), previous_block: sha256Hex(`tip ${id - 1}`) }
    await db
      .insertInto('tips')
      .values({ ...tip, time_ms: closed, seen_ms: closed })
      .execute()
  }
  const reject = { epoch_id: BigInt(EPOCHS), session_id: 1n, account_id: 1n, worker_id: 1n }
  await db
    .insertInto('rejects')
    .values([
      { ...reject, reason: 'stale', count: 7n },
      { ...reject, reason: 'duplicate', count: 2n },
      { ...reject, epoch_id: BigInt(EPOCHS + 1), reason: 'stale', count: 1n },
    ])
    .execute()
}

async function seedBlocks(db: Kysely<Database>) {
  for (let i = 1; i <= BLOCKS; i++) {
    const hash = blockHashAt(i)
    await db
      .insertInto('blocks')
      .values({
        hash,
        height: FIRST_HEIGHT + i,
        epoch_id: BigInt(i),
        session_id: null,
        account_id: i === 3 ? null : 1n,
        scheme: 'pplns',
        value_sats: 5_000_000_000n,
        work: 2n ** 64n,
        found_ms: BigInt(NOW_MS - (EPOCHS - i) * EPOCH_MS),
        recovered: i === 3,
      })
      .execute()
    const fates = i === 1 ? (['found', 'mature'] as const) : (['found', 'orphaned'] as const)
    for (const [index, fate] of fates.entries()) {
      if (i === 3) continue
      const row = { block_hash: hash, seq: index + 1, fate, tip_height: 130 }
      await db
        .insertInto('block_fates')
        .values({ ...row, decided_ms: BigInt(NOW_MS) })
        .execute()
    }
  }
}

async function seedRewards(db: Kysely<Database>) {
  let previous: string | null = null
  for (let number = 1; number <= EPOCHS; number++) {
    const bytes = utf8(JSON.stringify({ number: String(number), previous, version: 1 }))
    const hash = sha256Hex(bytes)
    await db
      .insertInto('reward_statements')
      .values({
        number: BigInt(number),
        reward_pool: number === 1 ? 'pplns' : 'pps',
        epoch_id: BigInt(number),
        block_hash: number === 1 ? blockHashAt(1) : null,
        height: FIRST_HEIGHT + number,
        hash,
        previous_hash: previous,
        bytes,
        created_ms: BigInt(NOW_MS - (EPOCHS - number) * EPOCH_MS),
      })
      .execute()
    previous = hash
    const lines = [1n, 2n].map(account_id => ({
      statement_number: BigInt(number),
      account_id,
      amount_msat: 1_500n * account_id,
    }))
    await db.insertInto('reward_lines').values(lines).execute()
  }
}

async function seedBatches(db: Kysely<Database>) {
  for (let i = 1; i <= 2; i++) {
    const manifest = utf8(JSON.stringify({ batch: String(i), version: 1 }))
    const batch = {
      rail: 'l1',
      state: i === 1 ? ('settled' as const) : ('planned' as const),
      manifest,
      manifest_hash: sha256Hex(manifest),
      anchor_txid: sha256Hex(`anchor ${i}`),
      anchor_vout: 0,
      total_sats: 600_000n,
      fee_max_sats: 5_000n,
      created_ms: BigInt(NOW_MS - 1000 * (3 - i)),
      expires_ms: BigInt(NOW_MS + 1_000_000),
      ended_ms: i === 1 ? BigInt(NOW_MS) : null,
      lease_owner: null,
      lease_until: null,
    }
    await db.insertInto('batches').values(batch).execute()
    const payout = { batch_id: BigInt(i), state: batch.state, planned_ms: batch.created_ms }
    const rest = { planned_height: 120 + i, ended_ms: batch.ended_ms }
    await db
      .insertInto('payouts')
      .values([
        { ...payout, ...rest, account_id: 1n, amount_sats: 400_000n },
        { ...payout, ...rest, account_id: 3n, amount_sats: 200_000n },
      ])
      .execute()
  }
  await insertVersion(db, {
    batch_id: 1n,
    version: 1,
    txid: sha256Hex('transaction'),
    unsigned: utf8('psbt'),
    raw: utf8('raw'),
    fee_sats: 1_234n,
    created_ms: BigInt(NOW_MS),
  })
  const act = { batch_id: 1n, operator_key: sha256Hex('operator'), act: 'approve' as const }
  const said = { manifest_hash: sha256Hex('x'), reason: '', signature: new Uint8Array(64) }
  await db
    .insertInto('approvals')
    .values({ ...act, ...said, given_ms: BigInt(NOW_MS) })
    .execute()
}

async function seedBalances(db: Kysely<Database>) {
  const owed = { 'miner:1:pending': 5_000n, 'miner:1:payable': 7_001n, 'miner:2:inflight': 9_999n }
  for (const [name, amount] of Object.entries(owed)) {
    const { id } = await db
      .insertInto('ledger_accounts')
      .values({ name, kind: 'liability' })
      .returning('id')
      .executeTakeFirstOrThrow()
    const balance = { account_id: id, kind: 'liability', amount_msat: -amount }
    await db.insertInto('ledger_balances').values(balance).execute()
  }
}
