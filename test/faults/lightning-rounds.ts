import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { balancesOf, chartAccount } from '../../src/ledger/index.ts'
import { paymentHash } from '../../src/lib/ids.ts'
import { msatsFromSats, sats } from '../../src/lib/money.ts'
import { lndClient } from '../../src/lib/nodes/lnd-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { auditAttempts } from '../../src/payouts/index.ts'
import { isReady, restingOutbound } from '../support/lightning.ts'
import { type Blow, isDeadly } from './boundary.ts'
import type { LightningBoundary } from './lightning-boundaries.ts'
import type { LightningMiner, LightningStage } from './lightning-stage.ts'
import { checkBooks } from './oracle.ts'

const STEP_MS_MAX = 180_000
/** lnd must have run for three minutes by its own clock, which no test moves. */
const LOST_MS_MAX = 420_000
/** Blocks past the time of a payment, and one that may be on its way to lnd. */
const BLOCKS_PAST = 7
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
  const check = () => isDone(stage, miner)
  const letGo = async (rings: number) => {
    if (rings === RINGS_HELD) await stage.payees.letGo(miner.address)
  }
  const isPaid = (await until(stage, check, letGo)) || (await endLost(stage, check))
  const late = isPaid ? [] : [`not settled in time\n${logOf(stage)}`]
  const wrong = await complaintsOnLightning(stage, [miner])
  return { miner, complaints: [...late, ...wrong] }
}

/**
 * Kills lnd between writing down that it sends and sending, for which it is told to put off the
 * latter, and sees the miner paid once by another invoice.
 */
export async function strikeAsLndSends(
  stage: LightningStage,
  next: () => number,
): Promise<LightningRound> {
  const { alice, dir } = stage.lightning
  const file = join(dir, 'alice', 'lnd.conf')
  const config = await readFile(file, 'utf8')
  const startWith = async (text: string) => {
    await alice.kill()
    await writeFile(file, text)
    await alice.restart()
    await isReady(alice)
  }
  await startWith(config.replace('[protocol]', 'channel-commit-interval=1h\n[protocol]'))
  const miner = await stage.owe(sats(BigInt(1000 + Math.floor(next() * 1000))), 'pays')
  const isOnItsWay = await until(stage, async () => (await onItsWay(stage)) !== undefined)
  await startWith(config)
  const isPaid = isOnItsWay && (await endLost(stage, () => isDone(stage, miner)))
  const late = isPaid ? [] : [`not settled in time\n${logOf(stage)}`]
  return { miner, complaints: [...late, ...(await complaintsOnLightning(stage, [miner]))] }
}

/**
 * What lnd lost as it sent it, and takes for on its way for ever, ends as docs/lightning.md says: its
 * time goes by, the pool asks for it, lnd is started anew. Nothing is done where lnd lost nothing.
 */
async function endLost(stage: LightningStage, check: () => Promise<boolean>): Promise<boolean> {
  const { alice, mine } = stage.lightning
  const lnd = lndClient(alice.connection)
  const lost = await onItsWay(stage)
  const news = lost && (await lnd.track(paymentHash(lost.payment_hash)))
  const untilHeight = news?.kind === 'payment' ? news.payment.untilHeight : null
  if (untilHeight === null) return false
  await mine(Math.max(1, untilHeight + BLOCKS_PAST - (await lnd.info()).height))
  const isAskedFor = async () => {
    const live = stage.db.selectFrom('batches').select('note').where('state', '=', 'uncertain')
    return (await live.execute()).some(({ note }) => note.includes('start lnd anew'))
  }
  if (!(await until(stage, isAskedFor))) return false
  await alice.kill()
  await alice.restart()
  await isReady(alice)
  return until(stage, check, async () => {}, LOST_MS_MAX)
}

/** A payment of which lnd has said so. */
function onItsWay({ db }: LightningStage) {
  return db
    .selectFrom('ln_attempts')
    .select('payment_hash')
    .where('state', '=', 'called')
    .where('on_way_ms', 'is not', null)
    .executeTakeFirst()
}

async function until(
  stage: LightningStage,
  check: () => Promise<boolean>,
  atRing: (rings: number) => Promise<void> = async () => {},
  timeoutMs = STEP_MS_MAX,
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
  return (await pollUntil(look, { everyMs: LOOK_MS, timeoutMs })) === true
}

/** A call was written down, and lnd knows nothing of it. */
async function isUnknownToLnd({ db }: LightningStage): Promise<boolean> {
  const row = await db
    .selectFrom('ln_attempts')
    .select('payee')
    .where('state', '=', 'called')
    .where('gone_ms', 'is not', null)
    // What is gone from the channels waits for lnd's own clock.
    .where('on_way_ms', 'is', null)
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
