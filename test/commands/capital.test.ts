import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditChain, balancesOf, chartAccount } from '../../src/ledger/index.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { testDatabase } from '../support/database.ts'
import { runCommand } from './child.ts'
import { configFile } from './config-file.ts'

const COIN_MSAT = 5_000_000_000_000n

let node: TestNode
let coins: string[]

beforeAll(async () => {
  node = await testNode()
  await node.cli('createwallet', 'sidepool', false, false, '', false, true, true)
  await node.mine(2, await node.cliText('getnewaddress', '', 'bech32'))
  await node.mine(1, await node.cliText('getnewaddress', '', 'legacy'))
  await node.mine(100)
  const listed = (await node.cli('listunspent')) as {
    txid: string
    vout: number
    scriptPubKey: string
  }[]
  const segwit = listed.toSorted((a, b) => b.scriptPubKey.length - a.scriptPubKey.length)
  // A script of version 0 has 22 bytes, the old kind 25: that one stands first.
  coins = segwit.map(({ txid, vout }) => `${txid}:${vout}`)
})
afterAll(() => node.remove())

test('capital is what the node says the coins are worth, booked once under its id', async () => {
  const database = await testDatabase()
  const config = await configFile(database)
  const json = JSON.parse(await readFile(config.path, 'utf8'))
  await writeFile(`${config.dir}/node`, node.rpc.password)
  json.node = { ...json.node, url: node.rpc.url, user: node.rpc.user }
  await writeFile(config.path, JSON.stringify(json))
  const book = (outpoint: string, id = 'first-coins') =>
    runCommand(['treasury', 'capital', '--outpoint', outpoint, '--id', id, '--config', config.path])
  const [old = '', first = '', second = ''] = coins
  const unknown = `${'1'.repeat(64)}:0`
  expect(await book(old)).toMatchObject({ code: 1, stdout: expect.stringContaining('segwit') })
  expect(await book(unknown)).toMatchObject({ code: 1 })
  expect(await book(`${first},${unknown}`)).toMatchObject({ code: 1 })
  expect(await book(`${first},${first}`)).toMatchObject({ code: 1 })
  expect(await book('nonsense')).toMatchObject({ code: 2 })
  expect(await book(first, 'A capital')).toMatchObject({ code: 2 })
  expect(await book(first)).toMatchObject({
    code: 0,
    stdout: 'booked 5000000000 sat in the hot wallet as capital:first-coins\n',
  })
  expect(await book(first)).toMatchObject({ code: 0, stdout: expect.stringContaining('before') })
  expect(await book(second)).toMatchObject({ code: 1 })
  expect(await book(first, 'again')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('was booked as capital:first-coins'),
  })
  const float = chartAccount('l1Float')
  const equity = chartAccount('treasuryCapital')
  expect(await balancesOf(database.db, [float, equity])).toEqual(
    new Map([
      [float, COIN_MSAT],
      [equity, -COIN_MSAT],
    ]),
  )
  const noted = await database.db.selectFrom('float_coins').select(['txid', 'origin']).execute()
  expect(noted).toEqual([{ txid: first.slice(0, 64), origin: 'capital' }])
  expect((await auditChain(database.db)).findings).toEqual([])
  await config.remove()
  await database.drop()
}, 240_000)
