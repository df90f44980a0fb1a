import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Kysely } from 'kysely'
import { operatorKeyOf } from '../../src/approval/index.ts'
import type { Program } from '../../src/devnet/apt-unpack.ts'
import { regtestRules } from '../../src/devnet/regtest-config.ts'
import { chartAccount, postEntries } from '../../src/ledger/index.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { type AccountId, journalKey } from '../../src/lib/ids.ts'
import { millisats, type Sats } from '../../src/lib/money.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'
import type { SignerHost } from '../signer/host.ts'
import { macaroonOfPage, payingHost } from '../signer/paying-host.ts'
import { type GrpcTap, startGrpcTap } from '../support/grpc-tap.ts'
import { keyedEnds } from '../support/keyed-ends.ts'
import { isReady, lightningOf, restingOutbound, type TestLightning } from '../support/lightning.ts'
import { type MovingClock, movingClock } from '../support/moving-clock.ts'
import { type PoolScene, poolScene } from '../support/pool-scene.ts'
import { strangersServer } from '../support/strangers-server.ts'
import { startTapProxy, type TapProxy } from '../support/tap-proxy.ts'
import { type Striker, striker } from './boundary.ts'
import type { LightningVictim } from './lightning-boundaries.ts'
import { type Manner, type Payees, payeesOf } from './lightning-payees.ts'
import { flushQueue, putBetween, target, type Victim } from './stage.ts'
import { openWorld, oweTo, type World } from './stage-world.ts'

const HASHES_PER_BLOCK = 1n << 40n
const FOREVER = '2999-01-01T00:00:00Z'

/** Whoever can be struck on a stage. */
export type Struck = Pick<Victim, 'striker' | 'start'> & {
  readonly ended: () => Promise<void>
  readonly log: () => string
}

/** Who is paid on a stage. */
export type LightningMiner = {
  readonly account: AccountId
  /** A Lightning address. */
  readonly address: string
  readonly amount: Sats
  readonly manner: Manner
}

/** The payouts role, a signer host and a real lnd, all between taps; and a payee's node beyond. */
export type LightningStage = {
  readonly db: Kysely<Database>
  readonly world: World
  readonly lightning: TestLightning
  readonly payees: Payees
  readonly payouts: Victim
  readonly struck: Readonly<Record<LightningVictim, Struck>>
  readonly owe: (amount: Sats, manner: Manner) => Promise<LightningMiner>
  /** Lets the clocks of payouts role and signer go ahead. */
  readonly pass: MovingClock['pass']
  readonly remove: () => Promise<void>
}

type Tap = ReturnType<Striker['tap']>

/** What one does not strike at, the other may. */
const both =
  (one: Tap, other: Tap): Tap =>
  (way, chunk, connection) => {
    const verdict = one(way, chunk, connection)
    return verdict === 'pass' ? other(way, chunk, connection) : verdict
  }

/** Where it cannot be opened, what was is closed again. */
export async function openLightningStage(program: Program): Promise<LightningStage> {
  const stops: (() => Promise<unknown>)[] = []
  const remove = async () => {
    for (const stop of stops.splice(0).toReversed()) await stop()
  }
  try {
    const stage = await openParts(program, stop => stops.push(stop))
    return { ...stage, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** @param keep remembers what to stop; the last one is stopped first */
async function openParts(
  program: Program,
  keep: (stop: () => Promise<unknown>) => void,
): Promise<Omit<LightningStage, 'remove'>> {
  const lightning = await lightningOf(program)
  keep(lightning.remove)
  const { alice, carol } = lightning
  const made: { host?: SignerHost } = {}
  const payouts = target(() => {})
  const ofSigner = striker(() => void made.host?.kill())
  const ofLnd = striker(() => process.kill(alice.pid(), 'SIGKILL'))
  const ofPayouts = payouts.striker
  const lndOfPool = await startGrpcTap(alice.access, both(ofPayouts.tap('lnd'), ofLnd.tap('pool')))
  payouts.taps.push(lndOfPool)
  keep(async () => {
    for (const tap of payouts.taps) await tap.close()
  })
  const lndOfSigner = await startGrpcTap(
    alice.access,
    both(ofSigner.tap('lnd'), ofLnd.tap('signer')),
  )
  keep(lndOfSigner.close)
  const server = await strangersServer()
  keep(server.stop)
  const tap = ofSigner.tap('payee')
  const held = both(tap, both(ofPayouts.tap('payee'), ofLnd.tap('payee')))
  const payees = payeesOf(carol, server, { tap, held })
  const operatorSecret = systemRandom.bytes(32)
  const clock = movingClock(lightning.dir)
  const host = await payingHost({ ...alice, access: { ...alice.access, ...lndOfSigner } }, server, {
    policy: policyOf(operatorSecret),
    environment: clock.environment,
  })
  keep(host.remove)
  made.host = host
  const channelKey = fromHex(await readFile(host.access.keyFile, 'utf8'))
  const signerTap = await startTapProxy(
    () => host.access.port,
    both(ofPayouts.tap('signer'), ofSigner.tap('pool')),
    keyedEnds(channelKey),
  )
  payouts.taps.push(signerTap)
  const scene = await sceneOf({
    ...{ lightning, lnd: lndOfPool, signer: signerTap, host, operatorSecret },
  })
  keep(scene.remove)
  const db = openDatabase(scene.postgres().ownerUrl('postgres'), { max: 3 })
  keep(() => db.destroy())
  const world = await openWorld(db, scene)
  await bookFloat(db, lightning)
  await host.start()
  const victim = await putBetween(scene, payouts, {
    role: 'payouts',
    begin: () => flushQueue(db),
    environment: clock.environment,
  })
  keep(async () => {
    for (const each of [ofPayouts, ofSigner, ofLnd]) each.revive()
  })
  await victim.isThere()
  const struck = {
    payouts: { ...victim, ended: victim.process.ended, log: victim.process.log },
    signer: struckSigner(ofSigner, host),
    lnd: struckLnd(ofLnd, lightning),
  }
  return {
    ...{ db, world, lightning, payees, payouts: victim, struck, pass: clock.pass },
    owe: async (amount, manner) => {
      const address = payees.add(manner)
      const account = await oweTo(db, { kind: 'lightning', destination: address }, amount)
      return { account, address, amount, manner }
    },
  }
}

function struckSigner(ofSigner: Striker, host: SignerHost): Struck {
  return {
    striker: ofSigner,
    start: async () => {
      ofSigner.revive()
      await host.start()
    },
    ended: host.kill,
    log: host.log,
  }
}

/** It hears nobody before it has its channel again: a way that is not there yet is no way. */
function struckLnd(ofLnd: Striker, { alice }: TestLightning): Struck {
  return {
    striker: ofLnd,
    start: async () => {
      await alice.restart()
      await isReady(alice)
      ofLnd.revive()
    },
    ended: alice.kill,
    log: () => '',
  }
}

/** A pool that pays over Lightning by a signer host, and reaches both through taps. */
async function sceneOf(parts: {
  readonly lightning: TestLightning
  readonly lnd: GrpcTap
  readonly signer: TapProxy
  readonly host: SignerHost
  readonly operatorSecret: Uint8Array
}): Promise<PoolScene> {
  const { lightning, lnd, signer, host, operatorSecret } = parts
  const at = (name: string) => join(lightning.dir, name)
  writeFileSync(at('pool.cert'), lnd.cert)
  writeFileSync(at('pool.macaroon'), await macaroonOfPage(lightning.alice, 'read'))
  return poolScene({
    hashesPerBlock: HASHES_PER_BLOCK,
    operatorSecret,
    more: async () => ({
      schemeRails: ['lightning'],
      signer: { host: '127.0.0.1', port: signer.port, keyFile: host.access.keyFile },
      rails: {
        lightning: {
          lnd: {
            ...{ socket: lnd.socket, certFile: at('pool.cert') },
            macaroonFile: at('pool.macaroon'),
          },
          feeMax: { baseSats: '3', ppm: 5000 },
        },
      },
    }),
  })
}

/** As the scene has it: its one operator is enough for any amount. */
function policyOf(secret: Uint8Array): object {
  const keys = [{ key: operatorKeyOf(secret), notAfter: FOREVER }]
  const operators = [{ alias: 'scene-operator', roles: ['approver'], keys }]
  return { ...regtestRules(1), operators }
}

/** As if what the channels can send had been put in as capital. */
async function bookFloat(db: Kysely<Database>, { alice }: TestLightning): Promise<void> {
  const amount = millisats(await restingOutbound(alice))
  const legs = [
    { account: chartAccount('lightningFloat'), amount },
    { account: chartAccount('treasuryCapital'), amount: millisats(-amount) },
  ]
  const key = journalKey('capital:lightning')
  const at = systemClock.now()
  await db.transaction().execute(async tx => {
    await postEntries(tx, [{ key, event: 'capital put in', legs, at }])
  })
}
