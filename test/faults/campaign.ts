import { sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { type Blow, type Boundary, isDeadly } from './boundary.ts'
import { type ChainView, complaintsOf, type Debt } from './oracle.ts'
import { type Play, type Played, playOf } from './plays.ts'
import type { Stage } from './stage.ts'

/** A process that does not come back to its batch by then is stuck. */
const STEP_MS_MAX = 180_000
const LOOK_MS = 40
/** Whoever was not woken in time is woken again with every so many looks. */
const LOOKS_A_RING = 25
/** A batch may have ended just before its process says the last word; that long it may take. */
const LAST_LOOKS = 50

/** Who was to be paid, and what one kill left behind; without complaints all is well. */
export type Round = { readonly debt: Debt; readonly complaints: readonly string[] }

/**
 * Strikes a process at one boundary while it pays a miner, starts it again where it died, and
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
  const play = playOf(boundary.phase)
  const victim = stage[play.victim]
  const miner = await stage.owe(sats(BigInt(20_000 + Math.floor(next() * 1_000_000))))
  const played: Played = { stage, miner }
  const debt = { address: miner.address, amount: BigInt(miner.amount) }
  if (!(await reach(played, play))) return { debt, complaints: [`not ready\n${logOf(stage)}`] }
  victim.striker.arm(boundary, blow)
  if (!(await struck(played, play, victim.striker)))
    return { debt, complaints: [`never came by\n${logOf(stage)}`] }
  if (isDeadly(blow)) {
    await victim.process.ended()
    await stage.endLeases()
    await (blow === 'kill' ? victim.start() : victim.goOn())
  }
  await stage.databaseIsBack()
  const settled = await until(
    stage,
    async () => {
      // Who lost its connection could not give its batch back.
      if (!isDeadly(blow)) await stage.endLeases()
      await play.after(played)
    },
    () => play.isOver(played),
  )
  await play.end?.(played)
  const late = settled ? [] : [`payment not settled in time\n${logOf(stage)}`]
  const wrong = await complaintsOf(stage.db, chainOf(stage), { paid: [debt], unpaid: [] })
  return { debt, complaints: [...late, ...wrong] }
}

/** Brings the batch to where the boundaries of the phase are. */
async function reach(played: Played, play: Play): Promise<boolean> {
  if (!play.reach) return true
  const { isThere, nudge, there: begin } = play.reach
  const there = await until(
    played.stage,
    () => nudge(played),
    () => isThere(played),
  )
  if (there) await begin?.(played)
  return there
}

async function struck(
  played: Played,
  play: Play,
  { hasStruck }: { readonly hasStruck: () => boolean },
): Promise<boolean> {
  let overFor = 0
  // A database that is away refuses us as well; the next look comes after it is back.
  const orStruck = async (work: Promise<unknown>) =>
    work.catch(async error => {
      if (!hasStruck()) throw error
      await played.stage.databaseIsBack()
    })
  await until(
    played.stage,
    async () => {
      await orStruck(play.before(played))
    },
    async () => {
      if (hasStruck()) return true
      if ((await orStruck(play.isOver(played))) === true) overFor += 1
      return overFor > LAST_LOOKS
    },
    orStruck,
  )
  return hasStruck()
}

/** The chain and the pool's wallet, past every tap. */
export function chainOf({ scene: { devnet } }: Stage): ChainView {
  return {
    node: devnet.call,
    wallet: (method, ...params) => devnet.walletCall(devnet.wallet, method, ...params),
  }
}

async function until(
  stage: Stage,
  nudge: () => Promise<void>,
  check: () => Promise<boolean>,
  guard: (work: Promise<unknown>) => Promise<unknown> = work => work,
): Promise<boolean> {
  let looks = 0
  const look = async () => {
    if (await check()) return true
    await nudge()
    if (looks++ % LOOKS_A_RING === 0) await guard(stage.ring())
    return null
  }
  return (await pollUntil(look, { everyMs: LOOK_MS, timeoutMs: STEP_MS_MAX })) === true
}

const LOG_CHARACTERS = 2000
const logOf = ({ payouts, api }: Stage) =>
  `${payouts.process.log().slice(-LOG_CHARACTERS)}${api.process.log().slice(-LOG_CHARACTERS)}`

/** Numbers from 0 to 1, the same for the same seed. */
export function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
