import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { apiForTests, JSON_TYPE } from './server.ts'

const api = apiForTests()
let node: TestNode
beforeAll(async () => {
  node = await testNode()
  await node.cli('createwallet', 'miner')
})
afterAll(() => node.remove())

for (const type of ['legacy', 'p2sh-segwit', 'bech32', 'bech32m'])
  test(`a node's ${type} address signs the text that the pool gives, and is paid elsewhere`, async () => {
    const payee = await node.cliText('getnewaddress', '', type)
    const destination = await node.cliText('getnewaddress', '', 'bech32')
    await sql`
      with payee as (
        insert into payees (kind, destination, created_ms) values ('bitcoin', ${payee}, 1)
        returning id)
      insert into accounts (payee_id, scheme, created_ms) select id, 'pplns', 1 from payee`.execute(
      api.db(),
    )
    const url = `/api/v1/miners/${payee}/payout-settings`
    const wishes = {
      rails: [{ rail: 'l1', destination, minimumSats: '600000' }],
      paused: false,
      feeRateMaxSatPerKvb: null,
    }
    const { payload: text } = await api.post(`${url}/text`, wishes)
    const signature = await node.cliText('signmessage', payee, text)
    const reply = await api.app().inject({
      ...{ method: 'PUT', url, headers: JSON_TYPE },
      payload: JSON.stringify({ number: 1, ...wishes, proof: { kind: 'signature', signature } }),
    })
    expect([reply.statusCode, reply.json()]).toMatchObject([200, { number: 1, ...wishes }])
  })
