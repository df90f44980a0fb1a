import { afterAll, beforeAll, expect, test } from 'vitest'
import { unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { connectNode, type NodeAccess } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemClock } from '../../src/lib/time.ts'
import { bestOf } from '../../src/pool/best-node-source.ts'
import { type TemplateEvent, watchTemplates } from '../../src/pool/template-source.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

let first: TestNode
let second: TestNode
beforeAll(async () => {
  ;[first, second] = await Promise.all([testNode(), testNode()])
  // Two chains of the same height, so that whose templates come shows.
  await Promise.all([first, second].map(node => node.mine(1)))
})
afterAll(() => Promise.all([first, second].map(node => node?.remove())))

/** Templates of the two, and what they were built on in turn. */
function watch() {
  const log = createLog('test', 'silent')
  let laterMs = 0
  const clock = { now: () => unixMs(systemClock.now() + laterMs) }
  const events: TemplateEvent[] = []
  const named = (name: string, access: NodeAccess) => ({
    name,
    node: bitcoindClient(connectNode(access)),
  })
  const nodes = [named('first', first.rpc), named('second', second.rpc)]
  const best = bestOf({ nodes, network: 'regtest', clock, log })
  const options = { node: best, network: 'regtest', clock, log } as const
  const source = watchTemplates({ ...options, onEvent: event => events.push(event) })
  const newest = () => events.findLast(event => event.kind === 'template')?.template.previousBlock
  const buildsOn = async (tip: string | undefined) =>
    pollUntil(() => newest() === tip || null, { everyMs: 10, timeoutMs: 45_000 })
  const letPass = (ms: number) => {
    laterMs += ms
  }
  return { stop: source.stop, buildsOn, letPass, events }
}

test('templates come from the node that is ahead, and from the other while it is dead', async () => {
  const watched = watch()
  expect(await watched.buildsOn(await first.cliText('getbestblockhash'))).toBe(true)
  const [ahead] = await second.mine(1)
  expect(await watched.buildsOn(ahead)).toBe(true)
  await second.kill()
  expect(await watched.buildsOn(await first.cliText('getbestblockhash'))).toBe(true)
  await second.restart()
  // It gave no template when it was asked, and is passed over for a while.
  watched.letPass(30_000)
  // What it had not yet written to disk is lost, and its chain grows again.
  expect(await watched.buildsOn((await second.mine(3)).at(-1))).toBe(true)
  // Miners had work all the time.
  expect(watched.events.filter(({ kind }) => kind === 'paused')).toEqual([])
  await watched.stop()
}, 120_000)
