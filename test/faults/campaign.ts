import { sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import type { Blow, Boundary } from './boundary.ts'
import { type ChainView, complaintsOf, type Debt } from './oracle.ts'
import type { Miner, Stage } from './stage.ts'

/** A process that does not come back to its batch by then is stuck. */
const STEP_MS_MAX = 60_000
const LOOK_MS = 40

/** Who was to be paid, and what one kill left behind; without complaints all is well. */
export type Round = { readonly debt: Debt; readonly complaints: readonly string[] }

/**
 * Strikes the process at one boundary while it pays a miner, starts it again where it died, and
 * sees the miner paid once: everything that is owed, everything settled, and every book right.
 *
 * @param next gives numbers from 0 to 1, from a seed
 */
export async function strikeAt(
  stage: Stage,
  boundary: Boundary,
  blow: Blow,
  next: () => number,
): Promise<Round> {
  const { striker, process, db } = stage
  // A database that is away refuses us as well; the next look comes after it is back.
  const nudge = () => stage.nudge().catch(error => afterStrike(stage, error))
  striker.arm(boundary, blow)
  const miner = await stage.owe(sats(BigInt(20_000 + Math.floor(next() * 1_000_000))))
  const debt = { address: miner.address, amount: BigInt(miner.amount) }
  const settledNow = () =>
    isSettled(stage, miner).catch(async error => {
      await afterStrike(stage, error)
      return false
    })
  const passed = async () => striker.hasStruck() || (await settledNow())
  if (!(await until(nudge, passed)) || !striker.hasStruck())
    return { debt, complaints: [`never came by\n${logOf(stage)}`] }
  if (blow === 'kill') {
    await process.ended()
    await stage.endLeases()
    await stage.startAgain()
  }
  await stage.databaseIsBack()
  const settled = await until(async () => {
    // Who lost its connection could not give its batch back.
    if (blow !== 'kill') await stage.endLeases()
    await nudge()
  }, settledNow)
  const late = settled ? [] : [`payment not settled in time\n${logOf(stage)}`]
  const wrong = await complaintsOf(db, chainOf(stage), { paid: [debt], unpaid: [] })
  return { debt, complaints: [...late, ...wrong] }
}

async function afterStrike({ striker, databaseIsBack }: Stage, error: unknown): Promise<void> {
  if (!striker.hasStruck()) throw error
  await databaseIsBack()
}

/** The chain and the pool's wallet, past every tap. */
export function chainOf({ scene: { devnet } }: Stage): ChainView {
  return {
    node: devnet.call,
    wallet: (method, ...params) => devnet.walletCall(devnet.wallet, method, ...params),
  }
}

async function until(nudge: () => Promise<void>, check: () => Promise<boolean>): Promise<boolean> {
  const look = async () => {
    if (await check()) return true
    await nudge()
    return null
  }
  return (await pollUntil(look, { everyMs: LOOK_MS, timeoutMs: STEP_MS_MAX })) === true
}

async function isSettled({ db }: Stage, { account }: Miner): Promise<boolean> {
  const row = await db
    .selectFrom('payouts')
    .select('state')
    .where('account_id', '=', account)
    .where('state', '=', 'settled')
    .executeTakeFirst()
  return row !== undefined
}

const LOG_CHARACTERS = 2000
const logOf = ({ process }: Stage) => process.log().slice(-LOG_CHARACTERS)

/** Numbers from 0 to 1, the same for the same seed. */
export function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
