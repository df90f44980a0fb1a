import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { buildApi } from '../../src/api/index.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { cosigners, signersTogether } from '../../src/payouts/rails/l1/cosigner-store.ts'
import { cosignerKey } from '../../src/signer/index.ts'
import { partsOn } from '../api/parts.ts'
import { runCommand } from '../commands/child.ts'
import { mempool, versionsIn } from '../payouts/l1-chain.ts'
import { type HostedWorld, hostedWorld } from '../signer/pool-world.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { addPerson, addToken, keyOf } from '../treasury/people.ts'

const TOKEN = 'test-only'
const READER = 41
const SEEDS = [71, 72].map(n => new Uint8Array(32).fill(n))

// Each has a signer of its own, made and asked by the commands, each of them a process.
vi.setConfig({ testTimeout: 180_000 })

let node: TestNode
beforeAll(async () => {
  node = await testNode()
})
afterAll(() => node.remove())

let it: HostedWorld
let api: FastifyInstance
let url: string
let dir: string
/** The wallet takes two of three: the host, and two people with a seed each. */
beforeEach(async () => {
  const people = SEEDS.map(seed => cosignerKey(seed, 'regtest')).join(',')
  it = await hostedWorld(node, {
    multisig: { kind: 'wsh', required: 2, keys: 3 },
    descriptorOf: host => `wsh(sortedmulti(2,${host},${people}))`,
    bend: { signer: (host, { db }) => signersTogether([host, cosigners(db)]) },
  })
  const { db, clock } = it.world
  const key = keyOf(READER)
  const operator = await addPerson(db, 'reader', ['viewer'], [key])
  await addToken(db, { operator, key, token: TOKEN })
  api = await buildApi(partsOn(db, { clock }))
  url = await api.listen({ host: '127.0.0.1', port: 0 })
  dir = mkdtempSync(join(tmpdir(), 'sidepool-test-cosigner-'))
  writeFileSync(join(dir, 'token'), TOKEN)
  writeFileSync(join(dir, 'descriptor'), it.host.descriptor)
  for (const [index, seed] of SEEDS.entries())
    writeFileSync(join(dir, `seed-${index}`), toHex(seed), { mode: 0o600 })
})
afterEach(async () => {
  await api.close()
  await it.remove()
  await rm(dir, { recursive: true, force: true })
})

/** As a person does on a machine of his own. */
async function personSigns(index: number) {
  const { id } = await it.last()
  const files = ['--seed', join(dir, `seed-${index}`), '--descriptor', join(dir, 'descriptor')]
  const way = ['--api', url, '--token-file', join(dir, 'token'), '--yes']
  return runCommand(['treasury', 'sign', String(id), ...files, ...way])
}

test('the host signs its part, a person brings another, and two of three are enough', async () => {
  await it.planApproved()
  await it.pool.advance()
  const waiting = await it.last()
  expect(waiting.state).toBe('approved')
  expect(waiting.note).toBe('signed in full by 1, and it needs more')
  expect(await it.position()).toBe(2)
  const ran = await personSigns(1)
  expect(ran).toMatchObject({ code: 0, stderr: '' })
  await it.pool.advance()
  expect(await it.last()).toMatchObject({ state: 'sent' })
  expect(await it.position()).toBe(2)
  await it.expectPaid()
})

test('two people are enough while the host is down, and the host alone never is', async () => {
  await it.planApproved()
  await it.host.kill()
  await it.pool.advance()
  expect((await it.last()).note).toMatch(/^the signer: .*; no co-signer has signed it yet$/)
  for (const index of [0, 1]) expect((await personSigns(index)).code).toBe(0)
  expect(await mempool(node)).toEqual([])
  await it.pool.advance()
  expect(await it.last()).toMatchObject({ state: 'sent' })
  await it.expectPaid()
  expect(await versionsIn(it.world)).toHaveLength(1)
})
