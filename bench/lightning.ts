import { sql } from 'kysely'
import { accountId } from '../src/lib/ids.ts'
import { HOUR_MS, lightningWorld, SCHEME } from '../test/payouts/lightning-world.ts'
import { credit, START_MS } from '../test/payouts/plan-world.ts'
import { startDatabase } from './parts/database.ts'
import { printMachine, printTable } from './parts/report.ts'
import { measure } from './parts/scene.ts'

/**
 * Pays many accounts over Lightning, through plan, approval, invoices, calls and booking, with a
 * simulated lnd and signer, which answer at once: what is measured is the pool and its database.
 */
const PAYOUTS = 10_000
const AMOUNT = 1000n
const ROUNDS = 2
const RUNS_MAX = 100

await measure(async scene => {
  printMachine()
  const { db } = await startDatabase(scene)
  const world = await lightningWorld({ db, drop: async () => {} }, [SCHEME])
  const numbers = Array.from({ length: PAYOUTS }, (_, index) => index + 1)
  await sql`insert into payees (kind, destination, created_ms)
    select 'lightning', 'p' || n || '@wallet.example', ${START_MS}
      from unnest(${numbers}::bigint[]) as n`.execute(db)
  await sql`insert into accounts (payee_id, scheme, created_ms)
    select id, ${SCHEME.name}, ${START_MS} from payees order by id`.execute(db)
  await sql`insert into reward_lines (statement_number, account_id, amount_msat)
    select 1, id, 0 from accounts`.execute(db)
  const accounts = await db.selectFrom('accounts').select('id').execute()
  const rows = [['round', 'payouts', 'seconds', 'payouts/s', 'resident after it, MiB']]
  for (let round = 1; round <= ROUNDS; round++) {
    for (const { id } of accounts) await credit(db, accountId(id), AMOUNT)
    world.pass(HOUR_MS)
    const from = performance.now()
    await world.plan()
    await world.approve()
    for (let run = 0; run < RUNS_MAX; run++) {
      await world.advance()
      world.pass(5000)
      if ((await world.batches()).every(({ state }) => state === 'settled')) break
    }
    const seconds = (performance.now() - from) / 1000
    const settled = (await world.payouts()).filter(([, state]) => state === 'settled').length
    if (settled !== round * PAYOUTS) throw new Error(`${settled} payouts are settled`)
    const resident = process.memoryUsage().rss / 2 ** 20
    const pace = (PAYOUTS / seconds).toFixed(0)
    rows.push([`${round}`, `${PAYOUTS}`, seconds.toFixed(1), pace, resident.toFixed(0)])
  }
  const complaints = await world.complaints()
  if (complaints.length > 0) throw new Error(complaints[0])
  printTable('Payouts over Lightning, lnd and signer simulated', rows)
})
