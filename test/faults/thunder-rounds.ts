import { balancesOf, chartAccount } from '../../src/ledger/index.ts'
import { sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { outputTotal } from '../../src/lib/thunder/transaction.ts'
import { type Blow, type Boundary, isDeadly } from './boundary.ts'
import { checkBooks } from './oracle.ts'
import { MEMPOOL_BOUNDARIES } from './thunder-boundaries.ts'
import type { ThunderMiner, ThunderStage } from './thunder-stage.ts'

const STEP_MS_MAX = 90_000
const LOOK_MS = 40
const LOOKS_A_RING = 15
const LOG_CHARACTERS = 3000

/** Who was to be paid, and what one kill left behind; without complaints all is well. */
export type ThunderRound = {
  readonly miner: ThunderMiner
  readonly complaints: readonly string[]
}

/**
 * Strikes the payouts role at one boundary while it pays a miner on Thunder, starts it again where
 * it died, and sees the miner paid once: what Thunder has and what the books say must be the same.
 */
export async function strikeThunder(
  stage: ThunderStage,
  boundary: Boundary,
  blow: Blow,
  next: () => number,
): Promise<ThunderRound> {
  const { striker, process, start, goOn } = stage.payouts
  striker.arm(boundary, blow)
  const miner = await stage.owe(sats(BigInt(20_000 + Math.floor(next() * 1_000_000))))
  const log = () => process.log().slice(-LOG_CHARACTERS)
  // With a block, nothing would be looked for in the mempool any more.
  const mines = !MEMPOOL_BOUNDARIES.includes(boundary)
  if (!(await until(stage, async () => striker.hasStruck(), mines)))
    return { miner, complaints: [`never came by\n${log()}`] }
  if (isDeadly(blow)) {
    await process.ended()
    await stage.world.endLeases()
    await (blow === 'kill' ? start() : goOn())
  }
  const isThere = await until(stage, () => isDone(stage, miner))
  const late = isThere ? [] : [`not settled in time\n${log()}`]
  const wrong = await complaintsOnThunder(stage, [miner])
  return { miner, complaints: [...late, ...wrong] }
}

async function until(
  stage: ThunderStage,
  check: () => Promise<boolean>,
  mines = true,
): Promise<boolean> {
  let looks = 0
  const look = async () => {
    if (await check()) return true
    await stage.world.approve()
    if (mines && (await isSent(stage))) await stage.mine()
    if (looks++ % LOOKS_A_RING === 0) {
      await stage.world.endLeases()
      await stage.world.ring()
    }
    return null
  }
  return (await pollUntil(look, { everyMs: LOOK_MS, timeoutMs: STEP_MS_MAX })) === true
}

async function isSent({ db }: ThunderStage): Promise<boolean> {
  const row = await db
    .selectFrom('batches')
    .select('id')
    .where('state', '=', 'sent')
    .executeTakeFirst()
  return row !== undefined
}

/** The miner's batch is settled, and its change is noted. */
async function isDone({ db }: ThunderStage, { account }: ThunderMiner): Promise<boolean> {
  const row = await db
    .selectFrom('payouts')
    .innerJoin('batch_versions', 'batch_versions.batch_id', 'payouts.batch_id')
    .innerJoin('thunder_coins', 'thunder_coins.txid', 'batch_versions.txid')
    .select('payouts.id')
    .where('account_id', '=', account)
    .where('state', '=', 'settled')
    .executeTakeFirst()
  return row !== undefined
}

/** Thunder itself says who was paid; the books, and what is left for us, must agree with it. */
export async function complaintsOnThunder(
  { db, thunder, addresses }: ThunderStage,
  miners: readonly ThunderMiner[],
): Promise<readonly string[]> {
  const complaints: string[] = []
  for (const { address, amount } of miners) {
    const got = (await thunder.getUtxos([address])).map(({ output }) => outputTotal(output))
    if (got.length !== 1 || got[0] !== amount)
      complaints.push(`${address} is owed ${amount} and got [${got.join(', ')}]`)
  }
  const ours = await thunder.getUtxos(addresses)
  const held = ours.reduce((sum, { output }) => sum + outputTotal(output), 0n)
  const float = chartAccount('thunderFloat')
  const booked = ((await balancesOf(db, [float])).get(float) ?? 0n) / 1000n
  if (held !== booked) complaints.push(`Thunder holds ${held} sat for us, the ledger ${booked}`)
  return [...(await checkBooks(db)), ...complaints]
}
