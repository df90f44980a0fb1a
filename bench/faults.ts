import type { Program } from '../src/devnet/apt-unpack.ts'
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
 * `node bench/faults.ts [TIMES] [SEED] [RAIL]` repeats a run, or makes a shorter one.
 */
const TIMES = 20
/** After so many the rest tells nothing new, since each may wait for its time limit; the run ends. */
const FAILURES_MAX = 5

const [givenTimes, givenSeed, onlyRail] = process.argv.slice(2)
const times = Number(givenTimes ?? TIMES)
const seed = Number(givenSeed ?? new DataView(systemRandom.bytes(4).buffer).getUint32(0))

/** One boundary once, with what its amounts come from. */
type Kill<B extends Boundary = Boundary> = { readonly boundary: B; readonly next: () => number }
type Complaints = readonly string[]
type Keep = (stop: () => Promise<unknown>) => void

/** Where the kills of a rail are made. */
type Play<B extends Boundary> = {
  readonly strike: (kill: Kill<B>) => Promise<Complaints>
  /** Once more over everybody: a payment that a later kill repeated would show here. */
  readonly atEnd: () => Promise<Complaints>
}

const counts = new Map<string, { kills: number; wrong: number }>()
let failed = 0
let left = 0

/** Makes each kill on one of a rail's stages, each with nodes and a database of its own. */
async function playRail<B extends Boundary>(
  name: string,
  boundaries: readonly B[],
  openings: readonly ((keep: Keep) => Promise<Play<B>>)[],
  keep: Keep,
): Promise<void> {
  if (onlyRail !== undefined && onlyRail !== name) return
  for (const boundary of boundaries) counts.set(boundary.name, { kills: 0, wrong: 0 })
  const kills = drawnFrom(boundaries)
  const playOn = async (open: (keep: Keep) => Promise<Play<B>>) => {
    const { strike, atEnd } = await open(keep)
    try {
      for (let kill = kills.pop(); kill !== undefined; kill = kills.pop()) {
        note(kill.boundary, await strike(kill))
        if (failed >= FAILURES_MAX) break
      }
    } catch (error) {
      // The other stages go on; who was paid on this one is still looked at.
      fail(`a stage of ${name} broke`, [String(error)])
    }
    fail(`at the end, of ${name}`, await atEnd())
  }
  await Promise.all(openings.map(playOn))
  left += kills.length
}

/** Each boundary so many times, in an order from the seed. */
function drawnFrom<B extends Boundary>(boundaries: readonly B[]): Kill<B>[] {
  const drawn = boundaries.flatMap(boundary => Array<B>(times).fill(boundary))
  return shuffled(drawn, chance(seed)).map((boundary, index) => ({
    boundary,
    next: chance(seed + index),
  }))
}

function shuffled<T>(items: readonly T[], next: () => number): T[] {
  const drawn = items.map(item => ({ item, lot: next() }))
  return drawn.toSorted((a, b) => a.lot - b.lot).map(({ item }) => item)
}

function note({ name }: Boundary, complaints: Complaints): void {
  fail(name, complaints)
  const count = counts.get(name)
  if (!count) return
  count.kills += 1
  count.wrong += complaints.length > 0 ? 1 : 0
}

function fail(where: string, complaints: Complaints): void {
  if (complaints.length > 0) failed += 1
  for (const line of complaints) process.stdout.write(`${where}: ${line}\n`)
}

async function onL1(keep: Keep): Promise<Play<Boundary>> {
  const stage = await openStage()
  keep(stage.remove)
  const debts: Debt[] = []
  return {
    strike: async ({ boundary, next }) => {
      const { debt, complaints } = await strikeAt(stage, boundary, 'kill', next)
      debts.push(debt)
      return complaints
    },
    atEnd: () => complaintsOf(stage.db, chainOf(stage), { paid: debts, unpaid: [] }),
  }
}

/** On a simulated Thunder. */
async function onThunder(keep: Keep): Promise<Play<Boundary>> {
  const stage = await openThunderStage()
  keep(stage.remove)
  const miners: ThunderMiner[] = []
  return {
    strike: async ({ boundary, next }) => {
      const { miner, complaints } = await strikeThunder(stage, boundary, 'kill', next)
      miners.push(miner)
      return complaints
    },
    atEnd: () => complaintsOnThunder(stage, miners),
  }
}

/** To a simulated Thunder; each kill ends with a look at every book. */
async function ofDeposits(keep: Keep): Promise<Play<Boundary>> {
  const stage = await openDepositStage()
  keep(stage.remove)
  return {
    strike: ({ boundary, next }) => strikeDeposit(stage, boundary, 'kill', next),
    atEnd: async () => [],
  }
}

/** Over real lnd nodes. */
async function overLightning(program: Program, keep: Keep): Promise<Play<LightningBoundary>> {
  const stage = await openLightningStage(program)
  keep(stage.remove)
  const miners: LightningMiner[] = []
  return {
    strike: async ({ boundary, next }) => {
      const { miner, complaints } = await strikeLightning(stage, boundary, 'kill', next)
      miners.push(miner)
      return complaints
    },
    atEnd: () => complaintsOnLightning(stage, miners),
  }
}

await measure(async ({ keep }) => {
  printMachine()
  process.stdout.write(`seed ${seed}, ${times} kills at each boundary\n`)
  // Before hours of other kills.
  const program = await findLnd()
  if (program === null)
    throw new Error(`there is no lnd ${LND_VERSION}: name one by LND, or run the tests`)
  const lightning = (keepStage: Keep) => overLightning(program, keepStage)
  const from = performance.now()
  // While one stage waits, the other works.
  await playRail('l1', L1_BOUNDARIES, [onL1, onL1], keep)
  await Promise.all([
    playRail('thunder', THUNDER_BOUNDARIES, [onThunder], keep),
    playRail('deposits', DEPOSIT_BOUNDARIES, [ofDeposits], keep),
  ])
  await playRail('lightning', LIGHTNING_BOUNDARIES, [lightning, lightning], keep)
  const seconds = (performance.now() - from) / 1000
  printTable('Kills of a process', [
    ['boundary', 'kills', 'with a complaint'],
    ...[...counts].map(([name, { kills, wrong }]) => [name, String(kills), String(wrong)]),
  ])
  const total = [...counts.values()].reduce((sum, { kills }) => sum + kills, 0)
  const pace = `${seconds.toFixed(0)} s, ${(seconds / total).toFixed(2)} s a kill`
  process.stdout.write(`\n${total} kills in ${pace}, ${failed} with complaints, seed ${seed}\n`)
  if (left > 0) process.stdout.write(`${left} kills were not tried\n`)
  process.exitCode = failed === 0 && left === 0 && total > 0 ? 0 : 1
})
