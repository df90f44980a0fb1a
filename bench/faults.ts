import { findLnd, LND_VERSION } from '../src/devnet/lnd-binary.ts'
import { systemRandom } from '../src/lib/random.ts'
import type { Boundary } from '../test/faults/boundary.ts'
import { chainOf, chance, strikeAt } from '../test/faults/campaign.ts'
import { DEPOSIT_BOUNDARIES } from '../test/faults/deposit-boundaries.ts'
import { strikeDeposit } from '../test/faults/deposit-rounds.ts'
import { openDepositStage } from '../test/faults/deposit-stage.ts'
import { L1_BOUNDARIES } from '../test/faults/l1-boundaries.ts'
import {
  LIGHTNING_BOUNDARIES,
  type LightningBoundary,
} from '../test/faults/lightning-boundaries.ts'
import { complaintsOnLightning, strikeLightning } from '../test/faults/lightning-rounds.ts'
import { type LightningMiner, openLightningStage } from '../test/faults/lightning-stage.ts'
import { complaintsOf, type Debt } from '../test/faults/oracle.ts'
import { openStage } from '../test/faults/stage.ts'
import { THUNDER_BOUNDARIES } from '../test/faults/thunder-boundaries.ts'
import { complaintsOnThunder, strikeThunder } from '../test/faults/thunder-rounds.ts'
import { openThunderStage, type ThunderMiner } from '../test/faults/thunder-stage.ts'
import { printMachine, printTable } from './parts/report.ts'
import { measure } from './parts/scene.ts'

/**
 * Kills a process many times at every boundary of every rail, in an order and with amounts that
 * come from a seed; after each kill the miner is paid once and every book is right, or the run says
 * what is not and fails.
 *
 * `node bench/faults.ts [TIMES] [SEED]` repeats a run, or makes a shorter one.
 */
const TIMES = 20
/** Each rail brings its own. */
const BOUNDARIES: readonly Boundary[] = [...L1_BOUNDARIES]
/** Each has a node and a database of its own; while one waits, the other works. */
const STAGES = 2
/** After so many the rest tells nothing new, since each may wait for its time limit; the run ends. */
const FAILURES_MAX = 5

const times = Number(process.argv[2] ?? TIMES)
const seed = Number(process.argv[3] ?? new DataView(systemRandom.bytes(4).buffer).getUint32(0))

/** One boundary once, with what its amounts come from. */
type Kill<B extends Boundary = Boundary> = { readonly boundary: B; readonly next: () => number }

function shuffled<T>(items: readonly T[], next: () => number): T[] {
  const drawn = items.map(item => ({ item, lot: next() }))
  return drawn.toSorted((a, b) => a.lot - b.lot).map(({ item }) => item)
}

const ALL_BOUNDARIES = [
  ...BOUNDARIES,
  ...THUNDER_BOUNDARIES,
  ...DEPOSIT_BOUNDARIES,
  ...LIGHTNING_BOUNDARIES,
]
const counts = new Map(ALL_BOUNDARIES.map(({ name }) => [name, { kills: 0, wrong: 0 }]))
let failed = 0

function fail(where: string, complaints: readonly string[]): void {
  if (complaints.length > 0) failed += 1
  for (const line of complaints) process.stdout.write(`${where}: ${line}\n`)
}

function note({ name }: Boundary, complaints: readonly string[]): void {
  fail(name, complaints)
  const count = counts.get(name)
  if (!count) return
  count.kills += 1
  count.wrong += complaints.length > 0 ? 1 : 0
}

/** The same of deposits to a simulated Thunder; each kill ends with a look at every book. */
async function playDeposits(kills: Kill[], keep: (stop: () => Promise<unknown>) => void) {
  const stage = await openDepositStage()
  keep(stage.remove)
  for (let kill = kills.pop(); kill !== undefined && failed < FAILURES_MAX; kill = kills.pop())
    note(kill.boundary, await strikeDeposit(stage, kill.boundary, 'kill', kill.next))
}

/** The same of payouts on a simulated Thunder. */
async function playThunder(kills: Kill[], keep: (stop: () => Promise<unknown>) => void) {
  const stage = await openThunderStage()
  keep(stage.remove)
  const miners: ThunderMiner[] = []
  for (let kill = kills.pop(); kill !== undefined && failed < FAILURES_MAX; kill = kills.pop()) {
    const { miner, complaints } = await strikeThunder(stage, kill.boundary, 'kill', kill.next)
    miners.push(miner)
    note(kill.boundary, complaints)
  }
  fail('at the end, on Thunder', await complaintsOnThunder(stage, miners))
}

/** The same of payouts over real lnd nodes; without an lnd nothing is tried, and the run fails. */
async function playLightning(
  kills: Kill<LightningBoundary>[],
  keep: (stop: () => Promise<unknown>) => void,
) {
  const program = await findLnd()
  if (program === null)
    return fail('Lightning', [`there is no lnd ${LND_VERSION}: name one by LND, or run the tests`])
  const stage = await openLightningStage(program)
  keep(stage.remove)
  const miners: LightningMiner[] = []
  for (let kill = kills.pop(); kill !== undefined && failed < FAILURES_MAX; kill = kills.pop()) {
    const { miner, complaints } = await strikeLightning(stage, kill.boundary, 'kill', kill.next)
    miners.push(miner)
    note(kill.boundary, complaints)
  }
  fail('at the end, over Lightning', await complaintsOnLightning(stage, miners))
}

/** Each boundary so many times, in an order from the seed. */
function drawnFrom<B extends Boundary>(boundaries: readonly B[]): Kill<B>[] {
  const drawn = boundaries.flatMap(boundary => Array<B>(times).fill(boundary))
  return shuffled(drawn, chance(seed)).map((boundary, index) => ({
    boundary,
    next: chance(seed + index),
  }))
}

/** Takes one kill after another until none is left. */
async function playOn(kills: Kill[], keep: (stop: () => Promise<unknown>) => void): Promise<void> {
  const stage = await openStage()
  keep(stage.remove)
  const debts: Debt[] = []
  for (let kill = kills.pop(); kill !== undefined && failed < FAILURES_MAX; kill = kills.pop()) {
    const { boundary, next } = kill
    const { debt, complaints } = await strikeAt(stage, boundary, 'kill', next)
    debts.push(debt)
    note(boundary, complaints)
  }
  // Once more over everybody: a payment that a later kill repeated would show here.
  fail('at the end', await complaintsOf(stage.db, chainOf(stage), { paid: debts, unpaid: [] }))
}

await measure(async ({ keep }) => {
  printMachine()
  process.stdout.write(`seed ${seed}, ${times} kills at each of ${counts.size} boundaries\n`)
  const kills = drawnFrom(BOUNDARIES)
  const payments = drawnFrom(THUNDER_BOUNDARIES)
  const deposits = drawnFrom(DEPOSIT_BOUNDARIES)
  const lines = drawnFrom(LIGHTNING_BOUNDARIES)
  const from = performance.now()
  await Promise.all(Array.from({ length: STAGES }, () => playOn(kills, keep)))
  await Promise.all([playThunder(payments, keep), playDeposits(deposits, keep)])
  await playLightning(lines, keep)
  const seconds = (performance.now() - from) / 1000
  printTable('Kills of a process', [
    ['boundary', 'kills', 'with a complaint'],
    ...[...counts].map(([name, { kills, wrong }]) => [name, String(kills), String(wrong)]),
  ])
  const total = [...counts.values()].reduce((sum, { kills }) => sum + kills, 0)
  const pace = `${seconds.toFixed(0)} s, ${(seconds / total).toFixed(2)} s a kill`
  process.stdout.write(`\n${total} kills in ${pace}, ${failed} with complaints, seed ${seed}\n`)
  const left = kills.length + payments.length + deposits.length + lines.length
  if (left > 0) process.stdout.write(`${left} kills were not tried\n`)
  process.exitCode = failed === 0 && left === 0 ? 0 : 1
})
