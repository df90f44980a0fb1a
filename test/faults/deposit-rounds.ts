import { balancesOf, chartAccount } from '../../src/ledger/index.ts'
import { sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { OUR_ADDRESS } from '../payouts/chain-enforcer.ts'
import { type Blow, type Boundary, isDeadly } from './boundary.ts'
import type { DepositStage } from './deposit-stage.ts'
import { checkBooks } from './oracle.ts'

const STEP_MS_MAX = 90_000
const LOOK_MS = 60
const LOOKS_A_RING = 15
const LOG_CHARACTERS = 3000

/**
 * Strikes the payouts role at one boundary while it brings money to Thunder, starts it again where
 * it died, and sees the money there once: what Thunder has, what the treasury of the main chain
 * holds and what the books say must be the same.
 *
 * @returns what is wrong; nothing where all is well
 */
export async function strikeDeposit(
  stage: DepositStage,
  boundary: Boundary,
  blow: Blow,
  next: () => number,
): Promise<readonly string[]> {
  const { striker, process, start, goOn } = stage.payouts
  await stage.owe(sats(BigInt(20_000 + Math.floor(next() * 1_000_000))))
  striker.arm(boundary, blow)
  const seen = await until(stage, async () => striker.hasStruck())
  if (!seen) return [`never came by\n${process.log().slice(-LOG_CHARACTERS)}`]
  if (isDeadly(blow)) {
    await process.ended()
    await stage.world.endLeases()
    await (blow === 'kill' ? start() : goOn())
  }
  const isThere = await until(stage, () => isDone(stage))
  const late = isThere ? [] : [`not there in time\n${process.log().slice(-LOG_CHARACTERS)}`]
  return [...late, ...(await checkBooks(stage.db)), ...(await checkDeposits(stage))]
}

async function until(stage: DepositStage, check: () => Promise<boolean>): Promise<boolean> {
  let looks = 0
  const look = async () => {
    if (await check()) return true
    await stage.world.approve()
    if (looks++ % LOOKS_A_RING === 0) {
      // Not more often: while tips come and go nothing that nodes say in turn is of one moment.
      if (await isOnItsWay(stage)) await stage.mine()
      await stage.world.endLeases()
      await stage.world.ring()
    }
    return null
  }
  return (await pollUntil(look, { everyMs: LOOK_MS, timeoutMs: STEP_MS_MAX })) === true
}

/** Signed and not float yet: a block of ours would bring it further. */
async function isOnItsWay({ db }: DepositStage): Promise<boolean> {
  const row = await db
    .selectFrom('batches')
    .leftJoin('bridge_moves', 'bridge_moves.batch_id', 'batches.id')
    .select('batches.id')
    .where('purpose', '=', 'deposit')
    .where('batches.state', 'in', ['sent', 'uncertain', 'settled'])
    .where(eb =>
      eb.or([eb('bridge_moves.state', 'is', null), eb('bridge_moves.state', '=', 'transit')]),
    )
    .executeTakeFirst()
  return row !== undefined
}

/** The newest deposit is float. */
async function isDone({ db }: DepositStage): Promise<boolean> {
  const newest = await db
    .selectFrom('batches')
    .leftJoin('bridge_moves', 'bridge_moves.batch_id', 'batches.id')
    .select(['batches.state', 'bridge_moves.state as move'])
    .where('purpose', '=', 'deposit')
    .orderBy('batches.id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return newest?.state === 'settled' && newest.move === 'credited'
}

/** Thunder's coins, the treasury and the books must say the same. */
async function checkDeposits(stage: DepositStage): Promise<readonly string[]> {
  const { db, thunder, sidechain } = stage
  const coins = await thunder.getUtxos([OUR_ADDRESS])
  const there = coins.reduce((sum, { output }) => sum + output.content.value, 0n)
  const [float, transit] = [chartAccount('thunderFloat'), chartAccount('thunderTransit')]
  const balances = await balancesOf(db, [float, transit])
  const booked = (balances.get(float) ?? 0n) / 1000n
  const noted = await db
    .selectFrom('thunder_coins')
    .select(['txid', 'vout', 'value_sats'])
    .execute()
  const sum = noted.reduce((total, { value_sats }) => total + value_sats, 0n)
  const rejected = [...sidechain.enforcer.control.rejections.values()]
  return [
    ...(there === booked ? [] : [`Thunder has ${there} sat, the books ${booked}`]),
    ...(sum === booked ? [] : [`noted are ${sum} sat, the books hold ${booked}`]),
    ...((balances.get(transit) ?? 0n) === 0n ? [] : ['something is in transit still']),
    ...rejected.map(reason => `an enforcer threw a block out: ${reason}`),
  ]
}
