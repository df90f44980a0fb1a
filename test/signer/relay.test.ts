import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  freezeActHash,
  operatorKeyOf,
  type SignedFreezeAct,
  signFreezeAct,
} from '../../src/approval/index.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { signerClient } from '../../src/payouts/signer-client.ts'
import { newestHead } from '../../src/payouts/signer-head-store.ts'
import { relayFreezes } from '../../src/payouts/signer-relay-client.ts'
import { type SignerServer, startSignerServer } from '../../src/signer/signer-server.ts'
import { giveFreezeAct } from '../../src/treasury/index.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import {
  coin,
  HOUR_MS,
  KEYS,
  manifestOf,
  type Person,
  psbtOf,
  requestOf,
  type SignerWorld,
  START,
  signerWorld,
  txidOfCoin,
} from './world.ts'

const KEY = new Uint8Array(32).fill(0x44)
const HOST = '127.0.0.1'
const words = { network: 'regtest', reason: 'something is wrong', at: unixMs(START) }

let world: SignerWorld
let server: SignerServer
let database: TestDatabase
beforeAll(async () => {
  world = await signerWorld()
  server = await startServer(0)
  database = await testDatabase()
  for (const person of ['alice', 'bob'] as const) await addApprover(person)
})
afterAll(async () => {
  await server.stop()
  await world.remove()
  await database.drop()
})

const startServer = (port: number) =>
  startSignerServer({
    ...{ host: HOST, port, channelKey: KEY, signer: world.signer },
    log: createLog('test', 'silent'),
  })

async function addApprover(person: Person): Promise<void> {
  const { id } = await database.db
    .insertInto('operators')
    .values({ alias: person, roles: ['approver'], created_ms: BigInt(START), removed_ms: null })
    .returning('id')
    .executeTakeFirstOrThrow()
  await database.db
    .insertInto('operator_keys')
    .values({
      ...{ key: operatorKeyOf(KEYS[person]), operator_id: id, created_ms: BigInt(START) },
      not_after_ms: BigInt(START + HOUR_MS),
    })
    .execute()
}

const give = (act: SignedFreezeAct) =>
  database.db.transaction().execute(tx => giveFreezeAct(tx, 'regtest', act, unixMs(START)))

/** Whether the signer signs now; each number is a batch of its own. */
async function signs(number: number): Promise<string> {
  const own = coin(100_000_000n, number)
  const manifest = manifestOf({ anchor: { txid: txidOfCoin(own), vout: 0 } })
  return (await world.ask(requestOf(manifest, psbtOf(manifest, [own], 1000n)))).kind
}

test("operators' freezes reach the signer, also late, and so do their lifts", async () => {
  const { db } = database
  const client = signerClient({ host: HOST, port: server.port, channelKey: KEY })
  const relay = relayFreezes({ db, client, network: 'regtest' })
  await relay.run()

  const freeze = signFreezeAct(KEYS.alice, { kind: 'freeze', scope: 'l1', ...words })
  expect(await give(freeze)).toMatchObject({ kind: 'accepted' })
  await server.stop()
  await relay.run()
  server = await startServer(server.port)
  world.clock.set(START + HOUR_MS)
  await relay.run()
  expect(await signs(1)).toBe('refused')

  for (const person of ['alice', 'bob'] as const) {
    const lift = { kind: 'unfreeze', freeze: freezeActHash(freeze.act), ...words } as const
    expect(await give(signFreezeAct(KEYS[person], lift))).toMatchObject({ kind: 'accepted' })
  }
  // As after a start of the pool: everything is brought again, and what is known passed over.
  await relayFreezes({ db, client, network: 'regtest' }).run()
  expect(await signs(1)).toBe('signed')
  // An old copy of the memory takes freezes too, so their answers prove nothing of it.
  expect(await newestHead(db)).toBeNull()
})
