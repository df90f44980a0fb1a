import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startThunderSim } from '../../src/devnet/sidechain/thunder-sim.ts'
import { createLog } from '../../src/lib/log.ts'
import { parseBareAddress } from '../../src/lib/thunder/address.ts'
import { mineDeposit } from '../support/deposit.ts'
import { TEST_MNEMONIC } from '../support/sidechain.ts'
import { type SimulatedSidechain, simulatedSidechain } from '../support/simulated-sidechain.ts'
import { type Ran, runCommand } from './child.ts'
import { configFile } from './config-file.ts'

const ADDRESS = '46mGHHQ2cvLLHYfJqyP4EuSDamdP'

/** A test here starts several processes, one after the other. */
const TIMEOUT_MS = 180_000
vi.setConfig({ testTimeout: TIMEOUT_MS })

let sidechain: SimulatedSidechain
let file: Awaited<ReturnType<typeof configFile>>
beforeAll(async () => {
  sidechain = await simulatedSidechain()
  await sidechain.thunderCall('set_seed_from_mnemonic', TEST_MNEMONIC)
  // The command asks no database.
  const nowhere = 'postgres://nobody@127.0.0.1/none'
  file = await configFile({ appUrl: nowhere, ownerUrl: nowhere })
  await pointAt(sidechain.urls)
})
afterAll(async () => {
  await file?.remove()
  await sidechain?.remove()
})

/** The pool's configuration, with a Thunder node at these addresses. */
async function pointAt(urls: {
  readonly publicUrl: string
  readonly privateUrl: string
}): Promise<void> {
  const config = JSON.parse(await readFile(file.path, 'utf8'))
  const { url, user, password } = sidechain.node.rpc
  await writeFile(`${file.dir}/node`, password)
  Object.assign(config.node, { url, user })
  config.rails.thunder = {
    ...{ publicUrl: urls.publicUrl, privateUrl: urls.privateUrl, addresses: [ADDRESS] },
    ...{ signer: { kind: 'node', floatCapSats: null }, finalityDepth: 3, feeSats: '100' },
  }
  await writeFile(file.path, JSON.stringify(config))
}

const thunder = (...words: readonly string[]): Promise<Ran> =>
  runCommand(['thunder', ...words, '--config', file.path])

/** Replaces so many main blocks by one more that carry no side block. */
async function replace(main: string, depth: number): Promise<void> {
  await sidechain.node.cli('invalidateblock', main)
  await sidechain.node.mine(depth + 1)
  await sidechain.sync()
}

test('status tells of a node without a block, and then of its tip', async () => {
  expect(await thunder('status')).toMatchObject({
    code: 0,
    stdout: 'node     can be used\ntip      none: no side block was ever mined\n',
  })
  const { side } = await sidechain.mineSideBlock()
  expect(await thunder('status')).toMatchObject({
    code: 0,
    stdout:
      'node     can be used\n' +
      `tip      ${side}, 1 side blocks: its main block has 1 confirmations\n` +
      'goes on  yes\n',
  })
})

test('a block that the main chain has is not let go, and neither is one that is no tip', async () => {
  const { side } = await sidechain.mineSideBlock()
  const ran = await thunder('invalidate', side)
  expect(ran).toMatchObject({
    code: 1,
    stdout: 'nothing was done: its main block is on the main chain\n',
  })
  expect(await thunder('invalidate', 'ab'.repeat(32))).toMatchObject({
    code: 1,
    stdout: `nothing was done: the tip is ${side}\n`,
  })
  expect(await sidechain.thunderCall('get_best_sidechain_block_hash')).toBe(side)
})

test('after a stall status says what to run, and that frees the node', async () => {
  const { side: kept } = await sidechain.mineSideBlock()
  const { side: lost, main } = await sidechain.mineSideBlock()
  await replace(main, 1)
  const stalled = await thunder('status')
  expect(stalled.code).toBe(1)
  expect(stalled.stdout).toContain('no block of the main chain carries it now')
  const advice = /"sidepool (thunder invalidate [0-9a-f]{64}) --config FILE"/.exec(stalled.stdout)
  expect(advice?.[1]).toBe(`thunder invalidate ${lost}`)
  expect(await thunder('invalidate', lost)).toMatchObject({
    code: 0,
    stdout: `Thunder stands on ${kept} now, and goes on with the next side block\n`,
  })
  expect(await thunder('status')).toMatchObject({ code: 0 })
  await sidechain.mineSideBlock()
})

test('a node that breaks over it is told of, with what helps', async () => {
  const address = parseBareAddress(ADDRESS)
  if (address === null) throw new Error('it is an address')
  await mineDeposit(sidechain, address, 1_000_000n)
  await sidechain.mineSideBlock()
  const { side, main } = await sidechain.mineSideBlock()
  await replace(main, 1)
  const ran = await thunder('invalidate', side)
  expect(ran.code).toBe(1)
  expect(ran.stdout).toMatch(/^no answer \(.*panic[\s\S]*empty data directory[\s\S]*\n$/)
  expect(await thunder('status')).toMatchObject({ code: 1 })
})

test('a node of another era is refused with the reason', async () => {
  const old = await startThunderSim({
    ...{ enforcer: sidechain.enforcer.parts, version: '0.16', addresses: 'one' },
    log: createLog('test', 'silent'),
  })
  await pointAt(old)
  const ran = await thunder('status')
  await old.stop()
  expect(ran.code).toBe(1)
  expect(ran.stdout).toMatch(
    /^node {5}it sends a transfer .*Thunder 0\.17\.1 or newer is needed\n$/,
  )
})

test('a node that is away, and words that are none, are told in a line', async () => {
  const nowhere = 'http://127.0.0.1:1'
  await pointAt({ publicUrl: nowhere, privateUrl: nowhere })
  const away = await thunder('status')
  expect(away.code).toBe(1)
  expect(away.stderr).toMatch(/^the node: .*ECONNREFUSED.*\n$/)
  for (const words of [['stop'], ['invalidate', 'tip']]) {
    const ran = await thunder(...words)
    expect(ran.code, words.join(' ')).toBe(2)
    expect(ran.stderr).toContain('thunder invalidate SIDE_BLOCK --config FILE')
  }
})
