import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { equalBytes, toHex } from '../../src/lib/bytes.ts'
import { digest } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { systemClock } from '../../src/lib/time.ts'
import { transactionComplaint } from '../../src/payouts/rails/l1/transaction.ts'
import { newestHead, storeHead } from '../../src/payouts/signer-head-store.ts'
import { runCommand } from '../commands/child.ts'
import { configFile } from '../commands/config-file.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { batchOf, confirmations, finalBytes, type Scene, scene } from './scene.ts'
import { KEYS } from './world.ts'

const START_MS_MAX = 120_000

let node: TestNode
beforeAll(async () => {
  node = await testNode()
}, START_MS_MAX)
afterAll(() => node.remove())

describe.each(['wpkh', 'tr'] as const)('a %s wallet watched by the node', kind => {
  let it: Scene
  beforeAll(async () => {
    it = await scene(node, kind)
  }, START_MS_MAX)
  afterAll(() => it.remove())

  test('is paid from: signed on the host, accepted, bumped and confirmed', async () => {
    const { manifest, order } = await batchOf(it, 1, 0)
    const first = await it.sign(manifest, order, 2000n)
    if (first.outcome.kind !== 'signed') throw new Error(first.outcome.kind)
    const raw = finalBytes(first.outcome.psbt)
    expect(transactionComplaint(raw, order)).toBeNull()
    expect(await node.cliText('sendrawtransaction', toHex(raw))).toBe(first.built.txid)

    const bumped = await it.sign(manifest, order, 9000n)
    if (bumped.outcome.kind !== 'signed') throw new Error(bumped.outcome.kind)
    const higher = finalBytes(bumped.outcome.psbt)
    expect(await node.cliText('sendrawtransaction', toHex(higher))).toBe(bumped.built.txid)
    await node.mine(1)
    expect(await confirmations(node, bumped.built.txid)).toBe(1)
    expect(await newestHead(it.db)).toMatchObject({ position: 3 })
    expect(it.host.log()).toContain(first.built.txid)
    expect(it.host.log()).not.toContain(readFileSync(it.host.files.seed, 'utf8').trim())
  })

  test('is not paid from without approvals that the host knows', async () => {
    const { manifest, order } = await batchOf(it, 2, 1)
    const { outcome } = await it.sign(manifest, order, 2000n, ['stranger', 'pool'])
    expect(outcome).toEqual({
      kind: 'waits',
      reason: "the signer refuses: it has 0 of 1 approvals by this host's rules",
    })
  })
})

describe('the host', () => {
  let it: Scene
  /** A pool's configuration that names this host and this node. */
  let poolConfig: string
  let removeConfig: () => Promise<void>
  beforeAll(async () => {
    it = await scene(node, 'wpkh')
    const file = await configFile(it.database)
    const config = JSON.parse(readFileSync(file.path, 'utf8'))
    const { url, user, password } = node.rpc
    const passwordFile = join(file.dir, 'password')
    writeFileSync(passwordFile, password, { mode: 0o600 })
    config.node = { url, user, password: { file: passwordFile } }
    config.signer = it.host.access
    writeFileSync(file.path, JSON.stringify(config))
    poolConfig = file.path
    removeConfig = file.remove
  }, START_MS_MAX)
  afterAll(async () => {
    await it.remove()
    await removeConfig()
  })

  test('that was killed signs the same again, and remembers', async () => {
    const { manifest, order } = await batchOf(it, 1, 0)
    const before = await it.sign(manifest, order, 2000n)
    await it.host.kill()
    expect((await it.sign(manifest, order, 2000n)).outcome.kind).toBe('waits')
    await it.host.start()
    const after = await it.sign(manifest, order, 2000n)
    if (before.outcome.kind !== 'signed' || after.outcome.kind !== 'signed')
      throw new Error('both are signed')
    expect(equalBytes(before.outcome.psbt, after.outcome.psbt)).toBe(true)
    const other = { ...manifest, feeMax: sats(40_000n) }
    expect((await it.sign(other, order, 2000n)).outcome).toMatchObject({
      reason: 'the signer refuses: batch 1 was signed with another manifest',
    })
  })

  test('shares its memory with no second process', async () => {
    const second = await runCommand(['signer', '--config', it.host.files.config])
    expect(second).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('has this memory open'),
    })
    expect((await it.host.client.status({ head: null })).kind).toBe('answer')
  })

  test('with an old copy of its memory signs nothing until an approver confirms', async () => {
    const { memory, dir } = it.host.files
    const old = readFileSync(memory)
    const { manifest, order } = await batchOf(it, 3, 2)
    expect((await it.sign(manifest, order, 2000n)).outcome.kind).toBe('signed')
    await it.host.kill()
    writeFileSync(memory, old)
    await it.host.start()
    expect((await it.sign(manifest, order, 2000n)).outcome).toMatchObject({
      reason: expect.stringContaining('an approver must confirm'),
    })
    const asked = ['signer', 'status', '--config', poolConfig]
    const status = await runCommand(asked)
    expect([status.code, status.stderr]).toEqual([1, ''])
    const head = (name: string) =>
      new RegExp(`^${name} +(\\S+)$`, 'm').exec(status.stdout)?.[1] ?? ''
    const [key, act] = [join(dir, 'alice'), join(dir, 'act')]
    writeFileSync(key, toHex(KEYS.alice), { mode: 0o600 })
    const heads = ['--signer', head('signer'), '--pool', head('pool')]
    const confirmed = await runCommand(['signer', 'confirm', ...heads, '--key', key, '--out', act])
    expect([confirmed.code, confirmed.stderr]).toEqual([0, ''])
    const relay = ['signer', 'relay', '--act', act, '--config', poolConfig]
    expect(await runCommand(relay)).toMatchObject({ code: 0, stderr: '' })
    expect((await runCommand(asked)).stdout).toContain('signs     yes')
    expect((await it.sign(manifest, order, 2000n)).outcome.kind).toBe('signed')
    expect(await runCommand(relay)).toMatchObject({ code: 1 })
  })

  test('whose answer does not follow what the pool has seen is not used', async () => {
    const newest = await newestHead(it.db)
    if (newest === null) throw new Error('it has signed')
    const now = systemClock.now()
    expect(await storeHead(it.db, newest, now)).toBeNull()
    const hash = digest('ab'.repeat(32))
    for (const position of [1, newest.position])
      expect(await storeHead(it.db, { position, hash }, now)).toContain('the pool has seen')
    expect(await newestHead(it.db)).toEqual(newest)
  })

  test('is watched by a wallet that the command makes, with change', async () => {
    const descriptor = join(dirname(poolConfig), 'tr.descriptor')
    writeFileSync(descriptor, `${it.host.descriptors.tr}\n`)
    const args = ['treasury', 'watch', '--wallet', 'by-command', '--descriptor', descriptor]
    const made = await runCommand([...args, '--config', poolConfig])
    expect([made.code, made.stderr]).toEqual([0, ''])
    const rpc = connectNode(node.rpc)
    const info = await rpc.call('getwalletinfo', [], { wallet: 'by-command' })
    expect(info).toMatchObject({ private_keys_enabled: false, descriptors: true })
    const change = await rpc.call('getrawchangeaddress', ['bech32m'], { wallet: 'by-command' })
    expect(change).toMatch(/^bcrt1p/)
  })

  test('makes no seed and no memory over another, and reads none that others can', async () => {
    const { seed, config } = it.host.files
    const again = ['signer', 'keygen', '--network', 'regtest', '--out', seed]
    expect(await runCommand(again)).toMatchObject({ code: 2 })
    expect(await runCommand(['signer', 'init', '--config', config])).toMatchObject({ code: 2 })
    await it.host.kill()
    chmodSync(seed, 0o640)
    await expect(it.host.start()).rejects.toThrow('is open to others')
    chmodSync(seed, 0o600)
    writeFileSync(seed, toHex(new Uint8Array(32).fill(7)))
    await expect(it.host.start()).rejects.toThrow('no key of its descriptor is of its seed')
  })
})
