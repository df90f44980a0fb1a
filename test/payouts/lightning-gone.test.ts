import { afterEach, beforeEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { HOUR_MS, type LightningWorld, lightningWorld } from './lightning-world.ts'

const MINUTE = 60_000
const ANNA = 'anna@wallet.example'
const BEN = 'ben@wallet.example'
const TO_BE_STARTED = 'no channel carries it any more: start lnd anew, which proves that it ended'

let world: LightningWorld
beforeEach(async () => {
  world = await lightningWorld(await testDatabase())
})
afterEach(async () => {
  expect(await world.complaints()).toEqual([])
  await world.drop()
})

const runs = async (count: number) => {
  for (let run = 0; run < count; run++) {
    await world.advance()
    world.pass(MINUTE)
  }
}
/** Anna's payment is overdue by lnd's word; Ben is paid. */
const overdue = async (as: 'holds' | 'lnd loses it') => {
  await world.owe(ANNA, 20_000n)
  await world.owe(BEN, 3000n)
  world.lightning.behave(ANNA, as)
  world.pass(HOUR_MS)
  await world.plan()
  await world.approve()
  await runs(3)
  world.lightning.behave(ANNA, 'pays')
  world.lightning.node.height = 906
}
const startLnd = () => {
  world.lightning.node.startedMs = world.now()
}
const batch = async () => (await world.batches())[0]
const received = () => [ANNA, BEN].map(name => world.lightning.received(name).length)

test('what lnd lost as it sent it is paid once, by another invoice, after lnd was started anew', async () => {
  await overdue('lnd loses it')
  await runs(4)
  expect(await batch()).toEqual({ state: 'uncertain', note: TO_BE_STARTED })
  startLnd()
  await runs(3)
  expect(received()).toEqual([0, 1])
  await runs(3)
  expect(received()).toEqual([1, 1])
  expect((await batch())?.state).toBe('settled')
  const attempts = await world.db
    .selectFrom('ln_attempts')
    .select(['state', 'reason'])
    .where('amount_msat', '=', 20_000_000n)
    .orderBy('n')
    .execute()
  expect(attempts).toEqual([
    { state: 'dead', reason: 'lnd lost it as it sent it' },
    { state: 'settled', reason: '' },
  ])
})

test('an lnd that was started before it was seen gone proves nothing', async () => {
  await overdue('lnd loses it')
  startLnd()
  await runs(6)
  expect(received()).toEqual([0, 1])
  expect((await batch())?.state).toBe('uncertain')
})

test('it is seen gone anew where lnd was seen before the time of it was over', async () => {
  await overdue('lnd loses it')
  await runs(5)
  world.lightning.node.height = 905
  await runs(1)
  world.lightning.node.height = 906
  startLnd()
  await runs(6)
  expect(received()).toEqual([0, 1])
})

test('what a channel carries is waited for, whatever its time', async () => {
  await overdue('holds')
  await runs(5)
  startLnd()
  await runs(6)
  expect((await batch())?.state).toBe('sent')
  expect(world.lightning.calls).not.toContain('end')
  world.lightning.release(ANNA, true)
  await runs(3)
  expect(received()).toEqual([1, 1])
})

test('a macaroon that shows no channels leaves it waiting, and stops nothing else', async () => {
  await overdue('lnd loses it')
  world.lightning.node.showsChannels = false
  await runs(5)
  startLnd()
  await runs(6)
  expect(await batch()).toEqual({ state: 'sent', note: '' })
  expect(received()).toEqual([0, 1])
})
