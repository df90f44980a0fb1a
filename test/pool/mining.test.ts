import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { accountId } from '../../src/lib/ids.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'
import { type Mining, startMining } from '../../src/pool/mining-server.ts'
import { watchTemplates } from '../../src/pool/template-source.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { prepare, SILENT } from './mining-fixtures.ts'
import { RULE } from './stratum/fixtures.ts'

let database: TestDatabase
let node: TestNode
beforeAll(async () => {
  ;[database, node] = await Promise.all([testDatabase(), testNode()])
})
afterAll(() => Promise.all([database.drop(), node.remove()]))

/** On regtest every second hash is a block, so a few nonces find some. */
async function mineUntilAccepted(mining: Mining): Promise<void> {
  const socket = connect(mining.ports[0] ?? 0, '127.0.0.1')
  const say = (message: object) => socket.write(`${JSON.stringify(message)}\n`)
  let work: readonly unknown[] = []
  let isAuthorized = false
  say({ id: 1, method: 'mining.subscribe', params: [] })
  for await (const line of createInterface(socket)) {
    const message = JSON.parse(line)
    if (message.id === 1) say({ id: 2, method: 'mining.authorize', params: ['w', ''] })
    if (message.method === 'mining.notify') work = message.params
    // Before it is authorized, a block would be the pool's own.
    isAuthorized ||= message.id === 2 && message.result === true
    if (isAuthorized && work.length > 0) {
      const [job, , , , , , , time] = work
      work = []
      for (let nonce = 0; nonce < 8; nonce++) {
        const params = ['w', job, '00'.repeat(8), time, `${nonce}`]
        say({ id: 9, method: 'mining.submit', params })
      }
    }
    if (message.id === 9 && message.result === true && (await found())) break
  }
  socket.destroy()
}

const found = async () =>
  (await database.db.selectFrom('blocks').selectAll().executeTakeFirst()) ?? null

test('a share over a socket becomes a block of the real chain, booked to its finder', async () => {
  const { accountId: account } = await prepare(database)
  await node.mine(1)
  const client = bitcoindClient(connectNode(node.rpc))
  const mining = await startMining({
    ports: [
      {
        host: '127.0.0.1',
        port: 0,
        isShared: false,
        scheme: 'pplns',
        coinbasePays: 'pool' as const,
        rule: RULE,
      },
    ],
    ...{ db: database.db, clock: systemClock, random: systemRandom, log: SILENT },
    authorize: async () => ({
      kind: 'authorized',
      accountId: account,
      worker: 'rig',
      finder: null,
    }),
    nodes: [{ name: 'node', submitBlock: client.submitBlock }],
    ...{ tag: '/test/', payScript: Uint8Array.of(0x51), shareWaitMaxMs: 10_000 },
  })
  const watched = watchTemplates({
    ...{ node: client, network: 'regtest', clock: systemClock, log: SILENT },
    onEvent: event => (event.kind === 'template' ? mining.work(event.template) : mining.pause()),
  })
  await mineUntilAccepted(mining)
  const block = await found()
  const hash = await pollUntil(
    async () => {
      const mined = node.cli('getblockhash', block?.height ?? 0)
      return mined.catch(() => null)
    },
    { everyMs: 50, timeoutMs: 45_000 },
  )
  expect(block).toMatchObject({ hash, account_id: account, scheme: 'pplns', recovered: false })
  await watched.stop()
  await mining.stop()
})

test('a clean stop waits for what nodes say of a block, and books it with its worker', async () => {
  const { id } = await database.db.selectFrom('accounts').select('id').executeTakeFirstOrThrow()
  const count = async () => (await database.db.selectFrom('blocks').select('hash').execute()).length
  const before = await count()
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<null>()
  const submitBlock = () => {
    asked.resolve()
    return answer.promise
  }
  const client = bitcoindClient(connectNode(node.rpc))
  const mining = await startMining({
    ports: [
      {
        host: '127.0.0.1',
        port: 0,
        isShared: false,
        scheme: 'pplns',
        coinbasePays: 'pool' as const,
        rule: RULE,
      },
    ],
    ...{ db: database.db, clock: systemClock, random: systemRandom, log: SILENT },
    authorize: async () => ({
      kind: 'authorized',
      accountId: accountId(id),
      worker: 'rig',
      finder: null,
    }),
    nodes: [{ name: 'slow', submitBlock }],
    ...{ tag: '/test/', payScript: Uint8Array.of(0x51), shareWaitMaxMs: 10_000 },
  })
  const watched = watchTemplates({
    ...{ node: client, network: 'regtest', clock: systemClock, log: SILENT },
    onEvent: event => (event.kind === 'template' ? mining.work(event.template) : mining.pause()),
  })
  const miner = mineUntilAccepted(mining)
  await asked.promise
  await watched.stop()
  let isStopped = false
  const stopped = mining.stop().then(() => {
    isStopped = true
  })
  await pollUntil(() => isStopped || null, { everyMs: 10, timeoutMs: 1000 })
  answer.resolve(null)
  await stopped
  expect(await count()).toBeGreaterThan(before)
  await miner
})
