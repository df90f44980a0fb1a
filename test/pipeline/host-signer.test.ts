import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import {
  freezeActHash,
  type SignedFreezeAct,
  type SpendPolicy,
  signFreezeAct,
} from '../../src/approval/index.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import { newestHead } from '../../src/payouts/signer-head-store.ts'
import { relayFreezes } from '../../src/payouts/signer-relay-client.ts'
import { giveFreezeAct } from '../../src/treasury/index.ts'
import { runCommand } from '../commands/child.ts'
import { configFile } from '../commands/config-file.ts'
import { dyingAt } from '../payouts/crash.ts'
import { endLeases, mempool, versionsIn } from '../payouts/l1-chain.ts'
import { FINALITY, HOUR_MS, OPERATORS, POLICY } from '../payouts/l1-world.ts'
import { type HostedWorld, hostedWorld, POOL_KEY, signerPolicy } from '../signer/pool-world.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { keyOf } from '../treasury/people.ts'

const REFUSED_BY_HOST = "the signer refuses: it has 0 of 2 approvals by this host's rules"

// Each has a signer of its own, made and asked by the commands, each of them a process.
vi.setConfig({ testTimeout: 180_000 })

let node: TestNode
beforeAll(async () => {
  node = await testNode()
})
afterAll(() => node.remove())

let it: HostedWorld
afterEach(async () => {
  await it?.remove()
  // What a test left in the mempool is no other test's.
  await node.mine(1)
})

test('two people approve, the host signs and signs a dearer version, and the node settles it', async () => {
  it = await hostedWorld(node)
  await it.planApproved()
  await it.pool.advance()
  expect(await it.last()).toMatchObject({ state: 'sent' })
  await it.pool.bump(9000n)
  const versions = await versionsIn(it.world)
  expect(versions).toHaveLength(2)
  expect(await mempool(node)).toEqual([versions[1]?.txid])
  expect(await it.position()).toBe(3)
  expect(await newestHead(it.world.db)).toMatchObject({ position: 3 })
  await it.expectPaid()
})

test('the host signs alone what is within its own band, and above it waits for people whatever the pool says', async () => {
  const band = { perBatchSats: '60000000', perDaySats: '60000000' }
  const policy = signerPolicy({ auto: { poolKey: keyOf(POOL_KEY), ...band } })
  it = await hostedWorld(node, { policy })
  const all = { perBatch: sats(1_000_000_000n), perDay: sats(1_000_000_000n) }
  const generous: SpendPolicy = { ...POLICY, auto: { poolKey: keyOf(POOL_KEY), ...all } }
  const pool = it.poolWith({ policy: generous })
  await pool.plan()
  await pool.advance()
  await node.mine(FINALITY)
  await pool.advance()
  const first = await it.last()
  expect(first).toMatchObject({ state: 'settled', note: '' })

  // As much again is within what one batch may cost, and not within what is left of the day.
  await it.world.creditAgain()
  await pool.plan()
  await pool.advance()
  const second = await it.last()
  expect(second).toMatchObject({
    state: 'approved',
    note: REFUSED_BY_HOST,
  })
  expect(second.id).not.toBe(first.id)
  expect(await mempool(node)).toEqual([])
  await it.world.approve(second.id)
  await pool.advance()
  expect(await it.last()).toMatchObject({ id: second.id, state: 'sent' })
})

test('a freeze that was relayed stops the host too, until two people lift it', async () => {
  it = await hostedWorld(node)
  const { world, host } = it
  const relay = relayFreezes({ db: world.db, client: host.client, network: 'regtest' })
  const words = { network: 'regtest', reason: 'odd transfers', at: world.clock.now() }
  const give = (act: SignedFreezeAct) =>
    world.db.transaction().execute(tx => giveFreezeAct(tx, 'regtest', act, world.clock.now()))
  const [alice = new Uint8Array(), bob = new Uint8Array()] = OPERATORS
  await it.planApproved()
  const freeze = signFreezeAct(alice, { kind: 'freeze', scope: 'l1', ...words })
  expect(await give(freeze)).toMatchObject({ kind: 'accepted' })
  await relay.run()
  await it.pool.advance()
  expect((await it.last()).note).toContain('frozen by alice')
  await it.pool.advanceBlind()
  expect(await it.last()).toMatchObject({
    state: 'approved',
    note: 'the signer refuses: the rail is frozen',
  })
  for (const secret of [alice, bob]) {
    const lift = { kind: 'unfreeze', freeze: freezeActHash(freeze.act), ...words } as const
    expect(await give(signFreezeAct(secret, lift))).toMatchObject({ kind: 'accepted' })
  }
  await relay.run()
  await it.pool.advance()
  await it.expectPaid()
})

test('a host that is killed after it wrote and before it replied signs the same again, and counts it once', async () => {
  it = await hostedWorld(node)
  await it.planApproved()
  let killed: Promise<void> | null = null
  it.strikeAtReply(() => {
    killed ??= it.host.kill()
    return 'drop'
  })
  await it.pool.advance()
  expect(killed).not.toBeNull()
  await killed
  expect((await it.last()).note).toMatch(/^the signer: /)
  expect(await newestHead(it.world.db)).toBeNull()
  it.calm()
  await it.host.start()
  expect(await it.position()).toBe(2)
  await it.pool.advance()
  expect(await it.last()).toMatchObject({ state: 'sent' })
  expect(await it.position()).toBe(2)
  expect(await versionsIn(it.world)).toHaveLength(1)
  await it.expectPaid()
})

test('a pool that dies with the reply in its hands asks again and sends the same', async () => {
  it = await hostedWorld(node)
  await it.planApproved()
  const dying = dyingAt('finalizepsbt')
  await expect(it.poolWith(dying).advance()).rejects.toThrow('crashed')
  expect(dying.isDead()).toBe(true)
  expect(await newestHead(it.world.db)).toMatchObject({ position: 2 })
  await endLeases(it.world)
  await it.pool.advance()
  expect(await it.last()).toMatchObject({ state: 'sent' })
  expect(await it.position()).toBe(2)
  await it.expectPaid()
})

test('a host with an old copy of its memory signs nothing until an approver confirms', async () => {
  it = await hostedWorld(node)
  const { host, world } = it
  const old = readFileSync(host.files.memory)
  await it.planApproved()
  await it.pool.advance()
  await it.expectPaid()
  await host.kill()
  writeFileSync(host.files.memory, old)
  await host.start()
  await world.creditAgain()
  await it.planApproved()
  await it.pool.advance()
  const waiting = await it.last()
  expect(waiting.state).toBe('approved')
  expect(waiting.note).toContain('an approver must confirm both heads')

  const file = await poolConfig()
  const status = await runCommand(['signer', 'status', '--config', file.path])
  const head = (name: string) => new RegExp(`^${name} +(\\S+)$`, 'm').exec(status.stdout)?.[1] ?? ''
  const [key, act] = [join(host.files.dir, 'bob'), join(host.files.dir, 'act')]
  writeFileSync(key, toHex(OPERATORS[1] ?? new Uint8Array()), { mode: 0o600 })
  const heads = ['--signer', head('signer'), '--pool', head('pool')]
  for (const args of [
    ['confirm', ...heads, '--key', key, '--out', act],
    ['relay', '--act', act, '--config', file.path],
  ])
    expect(await runCommand(['signer', ...args])).toMatchObject({ code: 0, stderr: '' })
  await file.remove()
  await it.pool.advance()
  expect(await it.last()).toMatchObject({ id: waiting.id, state: 'sent' })
})

/** A configuration that names this world's database, node and host. */
async function poolConfig() {
  const file = await configFile(it.world.database)
  const config = JSON.parse(readFileSync(file.path, 'utf8'))
  const { url, user, password } = node.rpc
  const passwordFile = join(file.dir, 'password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  config.node = { url, user, password: { file: passwordFile } }
  config.signer = it.host.access
  writeFileSync(file.path, JSON.stringify(config))
  return file
}

test('a host that was away until a batch had expired closes it, and its payouts are planned anew', async () => {
  it = await hostedWorld(node, { behindMs: 2 * HOUR_MS })
  await it.planApproved()
  await it.pool.advance()
  expect(await it.last()).toMatchObject({ state: 'released' })
  expect(await versionsIn(it.world)).toHaveLength(1)
  expect(await newestHead(it.world.db)).toMatchObject({ position: 2 })
  it.world.clock.advance(2 * HOUR_MS)
  await it.planApproved()
  await it.pool.advance()
  await it.expectPaid()
})

test('while the host is down, or its memory in trouble, a batch waits and says for what', async () => {
  it = await hostedWorld(node)
  await it.planApproved()
  await it.host.kill()
  await it.pool.advance()
  const waiting = await it.last()
  expect(waiting.state).toBe('approved')
  expect(waiting.note).toMatch(/^the signer: (connect ECONNREFUSED|socket hang up|.*disconnected)/)
  await it.host.start()
  appendFileSync(it.host.files.memory, 'x')
  await it.pool.advance()
  expect((await it.last()).note).toBe('the signer refuses: somebody else has changed the memory')
  await it.host.kill()
  await it.host.start()
  await it.pool.advance()
  await it.expectPaid()
})
