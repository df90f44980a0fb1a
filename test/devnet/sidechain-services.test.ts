import { afterAll, beforeAll, expect, test } from 'vitest'
import { findSidechainServices, namesServices } from '../../src/devnet/index.ts'
import { type Answers, startAnswers } from '../lib/nodes/answers.ts'

let node: Answers
beforeAll(async () => {
  node = await startAnswers()
})
afterAll(() => node.stop())

const all = () => ({
  THUNDER_RPC_URL: 'http://127.0.0.1:6009',
  ENFORCER_URL: 'http://127.0.0.1:50051',
  ENFORCER_TEMPLATE_URL: 'http://127.0.0.1:8122',
  BITCOIND_RPC_URL: node.url.replace('//', '//alice:p%40ss@'),
})
const isOn = (chain: string) =>
  node.answer({ kind: 'reply', status: 200, body: JSON.stringify({ result: { chain } }) })

test('without an address of Thunder or the enforcer, nodes are simulated', async () => {
  expect(await findSidechainServices({})).toBeNull()
  expect(namesServices({ THUNDER_RPC_URL: '', BITCOIND_RPC_URL: 'x' })).toBe(false)
})

test('real nodes are found by their addresses, one of Thunder being enough', async () => {
  isOn('regtest')
  const url = node.url.replace(/\/$/, '')
  expect(await findSidechainServices(all())).toEqual({
    publicUrl: 'http://127.0.0.1:6009',
    privateUrl: 'http://127.0.0.1:6009',
    enforcerUrl: 'http://127.0.0.1:50051',
    templateUrl: 'http://127.0.0.1:8122',
    rpc: { url, user: 'alice', password: 'p@ss' },
  })
  const login = Buffer.from('alice:p@ss').toString('base64')
  expect(node.last().headers.authorization).toBe(`Basic ${login}`)
  const privateUrl = 'http://127.0.0.1:6010'
  const two = await findSidechainServices({ ...all(), THUNDER_PRIVATE_RPC_URL: privateUrl })
  expect(two).toMatchObject({ privateUrl })
})

test('every variable that is missing or wrong is named', async () => {
  const { ENFORCER_TEMPLATE_URL: _, ...rest } = all()
  const asked = findSidechainServices({ ...rest, BITCOIND_RPC_URL: 'tcp://127.0.0.1:1' })
  await expect(asked).rejects.toThrow(/ENFORCER_TEMPLATE_URL: .*; BITCOIND_RPC_URL: /)
})

test('nodes of a network where coins are worth something are refused', async () => {
  isOn('main')
  await expect(findSidechainServices(all())).rejects.toThrow('regtest, and not on main')
})
