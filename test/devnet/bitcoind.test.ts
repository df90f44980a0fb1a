import { afterAll, beforeAll, expect, test } from 'vitest'
import { findBitcoind } from '../../src/devnet/bitcoind-binary.ts'
import { createLog } from '../../src/lib/log.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

let node: TestNode

beforeAll(async () => {
  node = await testNode()
})

afterAll(() => node.remove())

test('the node is on regtest, alone, with an empty chain', async () => {
  expect(await node.cli('getblockchaininfo')).toMatchObject({ chain: 'regtest', blocks: 0 })
  expect(await node.cli('getnetworkinfo')).toMatchObject({ connections: 0, localaddresses: [] })
})

test('blocks are mined to an address, and a wallet sends with the fee to fall back on', async () => {
  await node.cli('createwallet', 'test')
  const address = await node.cliText('getnewaddress')
  const hashes = await node.mine(101, address)
  expect(await node.cliText('getbestblockhash')).toBe(hashes[100])
  const txid = await node.cliText('sendtoaddress', address, '0.1')
  const [hash] = await node.mine(1)
  expect(await node.cli('getrawtransaction', txid, 1)).toMatchObject({ blockhash: hash })
})

test('a node that was stopped goes on where it was, on the same ports', async () => {
  const best = await node.cliText('getbestblockhash')
  await node.stop()
  await expect(node.cli('getblockcount')).rejects.toThrow()
  await node.restart()
  expect(await node.cliText('getbestblockhash')).toBe(best)
})

test('a node that was killed comes back on the same ports', async () => {
  const before = node.pid()
  await node.mine(1)
  await node.kill()
  await expect(node.cli('getblockcount')).rejects.toThrow()
  await node.restart()
  expect(node.pid()).not.toBe(before)
  // What it had not flushed yet is lost with the crash; what was there at the last stop is not.
  expect(await node.cli('getblockcount')).toBeGreaterThanOrEqual(102)
})

test('a refusal comes with the words of the node', async () => {
  await expect(node.cli('getblockhash', 1_000_000)).rejects.toThrow('out of range (-8)')
})

test('BITCOIND names the node, and one that does not run is an error', async () => {
  const log = createLog('test', 'silent')
  const before = process.env['BITCOIND']
  process.env['BITCOIND'] = '/nowhere/bitcoind'
  await expect(findBitcoind({ log })).rejects.toThrow('/nowhere/bitcoind, which does not run')
  if (before === undefined) delete process.env['BITCOIND']
  else process.env['BITCOIND'] = before
  expect((await findBitcoind({ log })).version).toMatch(/^Bitcoin .*version v\d+/)
})
