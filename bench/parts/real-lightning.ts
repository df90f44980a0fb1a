import { join } from 'node:path'
import { findLnd, LND_VERSION } from '../../src/devnet/lnd-binary.ts'
import { lndClient } from '../../src/lib/nodes/lnd-client.ts'
import { connectLnd } from '../../src/lib/nodes/lnd-grpc-client.ts'
import { lightningHostSigner } from '../../src/payouts/rails/lightning/host-signer-client.ts'
import { payeesOf } from '../../test/faults/lightning-payees.ts'
import { lightningWorld, SCHEME } from '../../test/payouts/lightning-world.ts'
import { macaroonOfPage, payingHost } from '../../test/signer/paying-host.ts'
import { lightningOf } from '../../test/support/lightning.ts'
import { strangersServer } from '../../test/support/strangers-server.ts'
import { startDatabase } from './database.ts'
import { printTable, quantile } from './report.ts'
import type { Scene } from './scene.ts'

const PAYOUTS = 500
const AMOUNT = 1000n
/** Of looks at the batch, one after the other; a run that needs more is stuck. */
const RUNS_MAX = 2000

/**
 * Pays many accounts over three real lnd nodes, with two channels between payer and payee, by a real
 * signer host that asks a server of Lightning addresses for each invoice.
 */
export async function payOverLnd(scene: Scene): Promise<void> {
  const program = await findLnd()
  if (program === null)
    throw new Error(`there is no lnd ${LND_VERSION}: name one by LND, or run the tests`)
  const lightning = await lightningOf(program)
  scene.keep(lightning.remove)
  const server = await strangersServer()
  scene.keep(server.stop)
  const payees = payeesOf(lightning.carol, server, { tap: () => 'pass', held: () => 'pass' })
  const host = await payingHost(lightning.alice, server)
  scene.keep(host.remove)
  await host.start()
  const macaroon = await macaroonOfPage(lightning.alice, 'read')
  const connection = connectLnd({ ...lightning.alice.access, macaroon })
  scene.keep(async () => connection.close())
  const { db } = await startDatabase({ ...scene, dir: join(scene.dir, 'over-lnd') })
  const world = await lightningWorld({ db, drop: async () => {} }, [SCHEME], {
    client: lndClient(connection),
    signerOf: parts => lightningHostSigner({ ...parts, client: host.client }),
  })
  for (let n = 0; n < PAYOUTS; n++) await world.owe(payees.add('pays'), AMOUNT)
  await world.plan()
  await world.approve()
  const from = performance.now()
  for (let run = 0; run < RUNS_MAX; run++) {
    await world.advance()
    if ((await world.batches()).every(({ state }) => state === 'settled')) break
  }
  const seconds = (performance.now() - from) / 1000
  const paid = await db
    .selectFrom('ln_attempts')
    .select(['created_ms', 'ended_ms', 'fee_msat', 'calls'])
    .where('state', '=', 'settled')
    .execute()
  if (paid.length !== PAYOUTS) throw new Error(`${paid.length} payouts are settled`)
  const complaints = await world.complaints()
  if (complaints.length > 0) throw new Error(complaints[0])
  const took = paid.map(({ created_ms, ended_ms }) => Number((ended_ms ?? 0n) - created_ms))
  const fees = paid.reduce((sum, { fee_msat }) => sum + (fee_msat ?? 0n), 0n)
  printTable(`${PAYOUTS} payouts of ${AMOUNT} sat over real lnd ${LND_VERSION}`, [
    ['seconds', 'payouts/s', 'p50 to settle, ms', 'p99, ms', 'fee of each, msat', 'calls of each'],
    [
      seconds.toFixed(1),
      (PAYOUTS / seconds).toFixed(1),
      quantile(took, 0.5).toFixed(0),
      quantile(took, 0.99).toFixed(0),
      String(fees / BigInt(PAYOUTS)),
      (paid.reduce((sum, { calls }) => sum + calls, 0) / PAYOUTS).toFixed(2),
    ],
  ])
}
