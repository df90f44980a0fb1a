import { balancesOf, chartAccount } from '../../src/ledger/index.ts'
import { msatsFromSats, sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { auditAttempts } from '../../src/payouts/index.ts'
import { restingOutbound } from '../support/lightning.ts'
import { type Blow, isDeadly } from './boundary.ts'
import type { LightningBoundary } from './lightning-boundaries.ts'
import type { LightningMiner, LightningStage } from './lightning-stage.ts'
import { checkBooks } from './oracle.ts'

const STEP_MS_MAX = 180_000
const LOOK_MS = 40
const LOOKS_A_RING = 15
const LOG_CHARACTERS = 3000
/** So often the pool looks at money that is held, before it is let go. */
const RINGS_HELD = 3
/** What lnd never heard of is dead after minutes; each ring of that time is as long as this. */
const RING_OF_SILENCE_MS = 60_000

/** Who was to be paid, and what one kill left behind; without complaints all is well. */
export type LightningRound = {
  readonly miner: LightningMiner
  readonly complaints: readonly string[]
}

/**
 * Strikes the boundary's victim while a miner is paid over Lightning, starts it again where it died,
 * and sees the miner paid once: what its own node says, what the channels hold and what the books
 * say must be the same.
 */
export async function strikeLightning(
  stage: LightningStage,
  boundary: LightningBoundary,
  blow: Blow,
  next: () => number,
): Promise<LightningRound> {
  const { striker, ended, start } = stage.struck[boundary.victim]
  striker.arm(boundary, blow)
  const amount = sats(BigInt(1000 + Math.floor(next() * 1000)))
  const miner = await stage.owe(amount, boundary.manner)
  if (!(await until(stage, async () => striker.hasStruck())))
    return { miner, complaints: [`never came by\n${logOf(stage)}`] }
  if (isDeadly(blow)) {
    await ended()
    await stage.world.endLeases()
    await start()
  }
  const isPaid = await until(
    stage,
    () => isDone(stage, miner),
    async rings => {
      if (rings === RINGS_HELD) await stage.payees.letGo(miner.address)
    },
  )
  const late = isPaid ? [] : [`not settled in time\n${logOf(stage)}`]
  const wrong = await complaintsOnLightning(stage, [miner])
  return { miner, complaints: [...late, ...wrong] }
}

async function until(
  stage: LightningStage,
  check: () => Promise<boolean>,
  atRing: (rings: number) => Promise<void> = async () => {},
): Promise<boolean> {
  let [looks, rings] = [0, 0]
  const look = async () => {
    if (await check()) return true
    await stage.world.approve()
    if (looks++ % LOOKS_A_RING === 0) {
      if (await isUnknownToLnd(stage)) stage.pass(RING_OF_SILENCE_MS)
      await stage.world.endLeases()
      await stage.world.ring()
      await atRing(++rings)
    }
    return null
  }
  return (await pollUntil(look, { everyMs: LOOK_MS, timeoutMs: STEP_MS_MAX })) === true
}

/** A call was written down, and lnd knows nothing of it. */
async function isUnknownToLnd({ db }: LightningStage): Promise<boolean> {
  const row = await db
    .selectFrom('ln_attempts')
    .select('payee')
    .where('state', '=', 'called')
    .where('gone_ms', 'is not', null)
    .executeTakeFirst()
  return row !== undefined
}

/** The miner is paid by the books, and the batch is over. */
async function isDone({ db }: LightningStage, { account }: LightningMiner): Promise<boolean> {
  const row = await db
    .selectFrom('payouts')
    .innerJoin('batches', 'batches.id', 'payouts.batch_id')
    .select('payouts.id')
    .where('account_id', '=', account)
    .where('payouts.state', '=', 'settled')
    .where('batches.state', '=', 'settled')
    .executeTakeFirst()
  return row !== undefined
}

/** The payees' own node says who was paid; the books, and the channels, must agree with it. */
export async function complaintsOnLightning(
  { db, payees, lightning }: LightningStage,
  miners: readonly LightningMiner[],
): Promise<readonly string[]> {
  const complaints: string[] = []
  for (const { address, amount } of miners) {
    const taken = (await payees.invoices(address)).filter(({ state }) => state === 'SETTLED')
    const got = taken.map(({ paidMsat }) => paidMsat)
    if (got.length !== 1 || got[0] !== msatsFromSats(amount))
      complaints.push(`${address} is owed ${amount} sat and got [${got.join(', ')}] msat`)
  }
  const held = await restingOutbound(lightning.alice)
  const float = chartAccount('lightningFloat')
  const booked = (await balancesOf(db, [float])).get(float) ?? 0n
  if (held !== booked) complaints.push(`the channels hold ${held} msat, the ledger ${booked}`)
  return [...(await checkBooks(db)), ...(await auditAttempts(db, 'all')), ...complaints]
}

const logOf = ({ struck }: LightningStage) =>
  [struck.payouts, struck.signer].map(({ log }) => log().slice(-LOG_CHARACTERS)).join('\n')
