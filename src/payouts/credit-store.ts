import { type Kysely, sql, type Transaction } from 'kysely'
import { type Entry, type LedgerAccount, postEntries } from '../ledger/index.ts'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BlockHash, type EpochId, epochId } from '../lib/ids.ts'
import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'
import type { Sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import type { BlockFound } from '../statement/index.ts'
import {
  blockEntries,
  type Earning,
  epochEntries,
  type FateChange,
  rewardStatement,
} from './credit.ts'
import { NotPosted } from './payout-store.ts'
import type { HashedWork, RewardInput, RewardMethod } from './reward-method.ts'
import { insertReward, nextPlace, rewardOfBlock } from './reward-store.ts'

const CREDIT_EVERY_MS = 10_000
/** Credits of one run; the next run goes on from there. */
const CREDITS_A_RUN_MAX = 1000
/** Statements loaded at first; each further load doubles, up to the second number. */
const LOAD_FIRST = 64
const LOAD_MAX = 4096

/** What the pool's books say; handed over, since payouts knows the pool by its types only. */
export type EarningSource = {
  /** Newest first from that epoch back, without gaps; none while the epoch is not stated yet. */
  readonly workBack: (from: EpochId, limit: number) => Promise<readonly HashedWork[]>
  /** In order of id. */
  readonly fatesAfter: (id: bigint, limit: number) => Promise<readonly FateChange[]>
  /** What bids for side blocks paid of a block; null until the block was read for them. */
  readonly bidsPaid: (block: BlockHash) => Promise<Sats | null>
  /** Null before any block was seen. */
  readonly tipHeight: () => Promise<number | null>
}

export type CreditParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly network: string
  readonly source: EarningSource
  /** The account of the wallet that coinbases pay. */
  readonly coinbaseFloat: LedgerAccount
  /** Throws for a reward pool that the configuration does not know: its earnings wait. */
  readonly methodOf: (rewardPool: string) => RewardMethod
  /** Throws for a scheme that the configuration does not know. */
  readonly feeBasisPoints: (scheme: string) => number
}

/**
 * The jobs that turn stated work and the fates of blocks into credits. Each credit is one
 * transaction: statement, lines, ledger entries and how far we have come. Running them twice, at
 * once, late or never changes no balance.
 */
export function creditJobs(parts: CreditParts): readonly Job[] {
  const job = (name: string, step: () => Promise<boolean>): Job => ({
    name,
    everyMs: CREDIT_EVERY_MS,
    run: async () => {
      for (let credits = 0; credits < CREDITS_A_RUN_MAX; credits++) if (!(await step())) return
    },
  })
  return [
    job('credit-epochs', () => creditNextEpoch(parts)),
    job('credit-blocks', () => creditNextFate(parts)),
  ]
}

/** @returns false when no stated epoch is left to credit */
async function creditNextEpoch(parts: CreditParts): Promise<boolean> {
  const { db, source, log, clock } = parts
  const done = await readProgress(db, 'statements')
  const epoch = epochId(done + 1n)
  const work = await source.workBack(epoch, 1)
  const height = await source.tipHeight()
  const [own] = work
  if (own === undefined || height === null) return false
  assert(own.statement.epoch === epoch, 'work is read back from its epoch')
  const earnings = own.statement.pools
    .filter(pool => pool.work > 0n && parts.methodOf(pool.rewardPool).paysOn === 'epoch')
    .map(({ rewardPool }) =>
      earningOf(parts, { kind: 'epoch', epoch }, { rewardPool, work, block: null }),
    )
  const isOurs = await db.transaction().execute(async transaction => {
    if (!(await takeTurn(transaction, { name: 'statements', done, next: epoch }))) return false
    const at = clock.now()
    const entries: Entry[] = []
    for (const earning of earnings) {
      const statement = rewardStatement(earning, await nextPlace(transaction))
      await insertReward(transaction, statement, { epoch, height, at })
      entries.push(...epochEntries(statement, at))
    }
    await postAllOrNone(transaction, entries)
    return true
  })
  if (isOurs && earnings.length > 0) log.info({ epoch: String(epoch) }, 'epoch credited')
  return true
}

/** @returns false when no fate is left to book, or its epoch or its bids are not known yet */
async function creditNextFate(parts: CreditParts): Promise<boolean> {
  const { db, source, log, clock, coinbaseFloat: float } = parts
  const done = await readProgress(db, 'fates')
  const [change] = await source.fatesAfter(done, 1)
  if (change === undefined) return false
  // Only a first fate asks for the method: a block stays divided as it was, or the pool's income.
  const earning = change.seq === 1 ? await earningOfBlock(parts, change) : null
  if (earning === 'not stated yet') return false
  const bids = await source.bidsPaid(change.block)
  if (bids === null) return false
  const isOurs = await db.transaction().execute(async transaction => {
    if (!(await takeTurn(transaction, { name: 'fates', done, next: change.id }))) return false
    const at = clock.now()
    if (earning !== null) {
      const { epoch, height } = change
      const made = rewardStatement(earning, await nextPlace(transaction))
      await insertReward(transaction, made, { epoch, height, at })
    }
    const statement = await rewardOfBlock(transaction, change.block)
    await postAllOrNone(transaction, blockEntries(change, statement, { at, float, bids }))
    return true
  })
  if (isOurs) log.info({ block: change.block, fate: change.fate }, 'block booked')
  return true
}

/** What a block divides; null where it is income of a pool that pays epochs. */
async function earningOfBlock(
  parts: CreditParts,
  change: FateChange,
): Promise<Earning | 'not stated yet' | null> {
  const [own] = await parts.source.workBack(change.epoch, 1)
  if (own === undefined) return 'not stated yet'
  const block = own.statement.blocks.find(({ hash }) => hash === change.block)
  assert(block !== undefined, 'a block stands in the statement of its epoch')
  assert(block.value === change.value, 'a block has one value')
  const method = parts.methodOf(block.rewardPool)
  if (method.paysOn === 'epoch') return null
  const work = await loadWork(parts, { method, own, block })
  const { hash, height, paid } = block
  const basis = { kind: 'block', hash, height, paid } as const
  return earningOf(parts, basis, { rewardPool: block.rewardPool, work, block })
}

/** Loads older statements until none could change the reward, or none is left. */
async function loadWork(
  parts: CreditParts,
  { method, own, block }: { method: RewardMethod; own: HashedWork; block: BlockFound },
): Promise<readonly HashedWork[]> {
  const { rewardPool } = block
  const { feeBasisPoints } = parts
  let work: readonly HashedWork[] = [own]
  let limit = LOAD_FIRST
  while (method.wantsOlder({ rewardPool, work, block, feeBasisPoints })) {
    const oldest = work.at(-1)?.statement.epoch ?? 1n
    if (oldest === 1n) break
    const older = await parts.source.workBack(epochId(oldest - 1n), limit)
    assert(older.length > 0, 'every epoch before a stated one is stated')
    work = [...work, ...older]
    limit = Math.min(limit * 2, LOAD_MAX)
  }
  return work
}

function earningOf(
  { network, methodOf, feeBasisPoints }: CreditParts,
  basis: Earning['basis'],
  input: Omit<RewardInput, 'feeBasisPoints'>,
): Earning {
  return {
    network,
    method: methodOf(input.rewardPool),
    basis,
    input: { ...input, feeBasisPoints },
  }
}

type Progress = 'statements' | 'fates'

async function readProgress(db: Kysely<Database>, name: Progress): Promise<bigint> {
  const row = await db
    .selectFrom('credit_progress')
    .select('done')
    .where('name', '=', name)
    .executeTakeFirst()
  return row?.done ?? 0n
}

/**
 * Waits to be the one writer of reward statements and moves the progress on.
 *
 * @returns false when another has done this step meanwhile
 */
async function takeTurn(
  transaction: Transaction<Database>,
  { name, done, next }: { readonly name: Progress; readonly done: bigint; readonly next: bigint },
): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(hashtext('reward_statements'))`.execute(transaction)
  if ((await readProgress(transaction, name)) !== done) return false
  await transaction
    .insertInto('credit_progress')
    .values({ name, done: next })
    .onConflict(conflict => conflict.column('name').doUpdateSet({ done: next }))
    .execute()
  return true
}

/** @throws NotPosted where the ledger does not take one of them, so that nothing is committed */
async function postAllOrNone(transaction: Transaction<Database>, entries: readonly Entry[]) {
  const outcomes = await postEntries(transaction, entries)
  outcomes.forEach((outcome, index) => {
    if (outcome.kind === 'posted' || outcome.kind === 'repeated') return
    throw new NotPosted(`${entries[index]?.key}: ${outcome.kind}`)
  })
}
