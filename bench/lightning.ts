import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sql } from 'kysely'
import { z } from 'zod'
import { accountId } from '../src/lib/ids.ts'
import { msatsFromSats } from '../src/lib/money.ts'
import { systemClock } from '../src/lib/time.ts'
import { CAPITAL, HOUR_MS, lightningWorld, SCHEME } from '../test/payouts/lightning-world.ts'
import { credit } from '../test/payouts/plan-world.ts'
import { residentBytes } from './parts/cpu.ts'
import { startDatabase } from './parts/database.ts'
import { farLightning } from './parts/far-lightning.ts'
import { payOverLnd } from './parts/real-lightning.ts'
import { printMachine, printTable } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'

/**
 * Pays many accounts over Lightning, through plan, approval, invoices, calls and booking.
 *
 * First with a simulated lnd and signer, which answer at once and are a process of their own: what
 * is measured is the pool and its database. Then fewer over real nodes.
 */
const PAYOUTS = 10_000
const AMOUNT = 1000n
/** Where memory grows with what was paid, it shows over so many. */
const ROUNDS = 4
const RUNS_MAX = 100
const MIB = 2 ** 20

setFlagsFromString('--expose-gc')
const collect = z
  .custom<() => void>(value => typeof value === 'function')
  .parse(runInNewContext('gc'))

async function paySimulated(scene: Scene): Promise<void> {
  const { db } = await startDatabase(scene)
  const far = farLightning(scene, msatsFromSats(CAPITAL))
  const world = await lightningWorld({ db, drop: async () => {} }, [SCHEME], far)
  const now = systemClock.now()
  const numbers = Array.from({ length: PAYOUTS }, (_, index) => index + 1)
  await sql`insert into payees (kind, destination, created_ms)
    select 'lightning', 'p' || n || '@wallet.example', ${now}
      from unnest(${numbers}::bigint[]) as n`.execute(db)
  await sql`insert into accounts (payee_id, scheme, created_ms)
    select id, ${SCHEME.name}, ${now} from payees order by id`.execute(db)
  await sql`insert into reward_lines (statement_number, account_id, amount_msat)
    select 1, id, 0 from accounts`.execute(db)
  const accounts = await db.selectFrom('accounts').select('id').execute()
  const rows = [
    ['round', 'payouts/s', 'resident at most, MiB', 'heap after it, MiB', 'simulation, MiB'],
  ]
  for (let round = 1; round <= ROUNDS; round++) {
    for (const { id } of accounts) await credit(db, accountId(id), AMOUNT)
    world.pass(HOUR_MS)
    let resident = 0
    const from = performance.now()
    await world.plan()
    await world.approve()
    for (let run = 0; run < RUNS_MAX; run++) {
      await world.advance()
      resident = Math.max(resident, process.memoryUsage.rss())
      world.pass(5000)
      if ((await world.batches()).every(({ state }) => state === 'settled')) break
    }
    const pace = (PAYOUTS / ((performance.now() - from) / 1000)).toFixed(0)
    const settled = db.selectFrom('payouts').select(eb => eb.fn.countAll<bigint>().as('many'))
    const { many } = await settled.where('state', '=', 'settled').executeTakeFirstOrThrow()
    if (many !== BigInt(round * PAYOUTS)) throw new Error(`${many} payouts are settled`)
    collect()
    const kept = [resident, process.memoryUsage().heapUsed, residentBytes(far.pid)]
    rows.push([`${round}`, pace, ...kept.map(bytes => (bytes / MIB).toFixed(0))])
  }
  const complaints = await world.complaints()
  if (complaints.length > 0) throw new Error(complaints[0])
  printTable(`${PAYOUTS} payouts a round over Lightning, lnd and signer simulated`, rows)
}

await measure(async scene => {
  printMachine()
  await paySimulated(scene)
  await payOverLnd(scene)
})
