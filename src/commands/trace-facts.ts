import type { Kysely } from 'kysely'
import { legsUnder } from '../ledger/index.ts'
import { displayHash, sha256d } from '../lib/bitcoin/hash.ts'
import { targetFromDifficultyLog2, workFromTarget } from '../lib/bitcoin/target.ts'
import { toHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import type { AccountId, BatchId, BlockHash, EpochId, UnixMs } from '../lib/ids.ts'
import { batchOf, payoutsSince, rewardsFromEpoch, type TracedReward } from '../payouts/index.ts'
import { fatesOf, findBlock, findShare, type TracedShare, workStatementOf } from '../pool/index.ts'
import { decodeWork, type WorkStatement } from '../statement/index.ts'

/** A line of a trace: what it is about, and what is known of it. */
export type Fact = readonly [about: string, text: string]

/**
 * Follows a share, or a block of ours, from the socket to confirmed payments.
 * Where a miner connected from is left out: the payee and its worker are who it is.
 *
 * @returns null where neither a share nor a block of ours has this hash
 */
export async function traceHash(
  db: Kysely<Database>,
  hash: BlockHash,
): Promise<readonly Fact[] | null> {
  const share = await findShare(db, hash)
  const block = await findBlock(db, hash)
  const epoch = share?.epoch ?? block?.epoch
  if (epoch === undefined) return null
  const head = share ? shareFacts(hash, share) : [fact('block', `${hash}, its share is not kept`)]
  const account = share?.account ?? block?.finder ?? null
  const stated = await workStatementOf(db, epoch)
  if (stated === null) return [...head, fact('epoch', `${epoch}, which has no statement yet`)]
  const reading = decodeWork(stated.bytes)
  if (reading.kind === 'malformed') return [...head, fact('epoch', `${epoch}: ${reading.reason}`)]
  const { statement } = reading
  return [
    ...head,
    fact('epoch', `${epoch}, ${span(statement.openedAt, statement.closedAt)}`),
    fact('statement', `${stated.hash}, GET /api/v1/epochs/${epoch}`),
    ...(await blockFacts(db, hash, statement)),
    ...(account === null
      ? [fact('finder', "unknown, so the block is the pool's")]
      : await moneyFacts(db, statement, account)),
  ]
}

function fact(about: string, text: string): Fact {
  return [about, text]
}

function shareFacts(hash: BlockHash, share: TracedShare): readonly Fact[] {
  const { session, job, payee, worker, difficultyLog2 } = share
  const target = targetFromDifficultyLog2(difficultyLog2)
  const isProven = displayHash(sha256d(share.header)) === hash && BigInt(`0x${hash}`) <= target
  return [
    fact('share', `${hash}, accepted ${timeText(share.receivedAt)} at height ${share.height}`),
    fact('work', `difficulty 2^${difficultyLog2}, ${workFromTarget(target)} expected hashes`),
    fact('proof', `header ${toHex(share.header)} ${isProven ? 'proves' : 'does NOT prove'} it`),
    fact('miner', `${worker === '' ? payee : `${payee}.${worker}`}, account ${share.account}`),
    fact('scheme', share.scheme),
    fact('session', `${session.id}, port ${session.port}, from ${timeText(session.openedAt)}`),
    fact('agent', session.agent === '' ? 'not told' : session.agent),
    fact('lease', `extranonce1 ${toHex(session.extranonce1)}`),
    job === null
      ? fact('job', 'lost in a crash; the block itself proves the work')
      : fact('job', `${job.id} on template ${job.template}, after block ${job.previousBlock}`),
  ]
}

async function blockFacts(
  db: Kysely<Database>,
  hash: BlockHash,
  { blocks }: WorkStatement,
): Promise<readonly Fact[]> {
  const fates = await fatesOf(
    db,
    blocks.map(block => block.hash),
  )
  if (blocks.length === 0) return [fact('block', 'none in this epoch')]
  return blocks.flatMap(block => {
    const which = block.hash === hash ? ', this very share' : ''
    const fate = fates.get(block.hash) ?? 'not seen on the chain yet'
    const { paid } = block
    return [
      fact('block', `${block.hash} at height ${block.height}: ${fate}${which}`),
      ...(paid ? [fact('paid', `${paid.amount} sat in its coinbase to ${paid.payee}`)] : []),
    ]
  })
}

async function moneyFacts(
  db: Kysely<Database>,
  statement: WorkStatement,
  account: AccountId,
): Promise<readonly Fact[]> {
  const { epoch } = statement
  const line = statement.lines.find(each => each.account === account)
  if (line === undefined) return [fact('line', `account ${account} has none in this epoch`)]
  const { rewardPool, shares, work } = line
  const whole = statement.pools.find(pool => pool.rewardPool === rewardPool)?.work ?? 0n
  const own = fact(
    'line',
    `account ${account}: ${shares} shares, work ${work} of ${whole} in ${rewardPool}`,
  )
  const rewards = await rewardsFromEpoch(db, { epoch, rewardPool, account })
  const [first] = rewards
  if (first === undefined) return [own, fact('reward', `none has used epoch ${epoch} yet`)]
  return [
    own,
    ...rewards.map(reward => rewardFact(reward, account, epoch)),
    ...(await entryFacts(
      db,
      account,
      rewards.map(({ number }) => `credit:${number}:`),
    )),
    ...(await payoutFacts(db, account, first.creditedAt)),
  ]
}

function rewardFact(
  { number, hash, block, part, amount }: TracedReward,
  account: AccountId,
  epoch: EpochId,
): Fact {
  const what = block === null ? 'for the epoch itself' : `for block ${block}`
  const used = `used ${part} of epoch ${epoch}, gave account ${account} ${amount} msat`
  return fact('reward', `${number} ${what}, ${used}, hash ${hash}, GET /api/v1/rewards/${number}`)
}

async function entryFacts(
  db: Kysely<Database>,
  account: AccountId,
  keys: readonly string[],
): Promise<readonly Fact[]> {
  const legs = await legsUnder(db, { account, keys })
  return legs.map(({ key, event, at, account: name, amount, position }) => {
    const place = position === null ? 'not chained yet' : `place ${position} of the chain`
    return fact('entry', `${key} (${event}) ${timeText(at)}: ${name} ${amount} msat, ${place}`)
  })
}

async function payoutFacts(
  db: Kysely<Database>,
  account: AccountId,
  since: UnixMs,
): Promise<readonly Fact[]> {
  const payouts = await payoutsSince(db, { account, since })
  if (payouts.length === 0) return [fact('payout', 'none planned since')]
  const facts: Fact[] = []
  for (const { payout, batch, amount, state, plannedAt } of payouts) {
    const planned = `planned ${timeText(plannedAt)} in batch ${batch}`
    facts.push(fact('payout', `${payout}: ${amount} sat, ${state}, ${planned}`))
    facts.push(...(await entryFacts(db, account, [`batch:${batch}:`])))
    facts.push(...(await batchFacts(db, batch)))
  }
  return facts
}

async function batchFacts(db: Kysely<Database>, id: BatchId): Promise<readonly Fact[]> {
  const batch = await batchOf(db, id)
  if (batch === null) return [fact('batch', `${id} is missing`)]
  const ended = batch.endedAt === null ? '' : ` since ${timeText(batch.endedAt)}`
  const where = `GET /api/v1/treasury/batches/${id}`
  return [
    fact('batch', `${id} by ${batch.rail}: ${batch.state}${ended}, ${where}`),
    fact('manifest', batch.manifestHash),
    ...batch.acts.map(act =>
      fact('approval', `${act.act} by operator ${act.operatorKey} ${timeText(act.givenAt)}`),
    ),
    ...batch.versions.map(({ version, txid, fee, signed }) =>
      fact('txid', `${txid}, version ${version}, fee ${fee} sat, ${signed ? '' : 'not '}signed`),
    ),
  ]
}

function span(from: UnixMs, to: UnixMs): string {
  return `${timeText(from)} to ${timeText(to)}`
}

function timeText(at: UnixMs): string {
  return new Date(at).toISOString()
}
