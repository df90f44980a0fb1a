import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Program } from '../../src/devnet/apt-unpack.ts'
import {
  ask,
  type ConnectedLnd,
  fundChannel,
  hasSeen,
  startConnectedLnd,
} from '../../src/devnet/connected-lnd.ts'
import { createLog } from '../../src/lib/log.ts'
import { lndClient } from '../../src/lib/nodes/lnd-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { type TestNode, testNode } from './bitcoind.ts'
import { lndOfTheRun } from './lnd-of-the-run.ts'

/** Alice pays, Carol is paid, and Bob is between them: two channels on a node of regtest. */
export type TestLightning = {
  readonly bitcoind: TestNode
  readonly alice: ConnectedLnd
  readonly bob: ConnectedLnd
  readonly carol: ConnectedLnd
  /** Of this network alone, and removed with it. */
  readonly dir: string
  /** Mines so many blocks, and waits until all three have seen them. */
  readonly mine: (count: number) => Promise<void>
  /** Ends all and removes their folders. */
  readonly remove: () => Promise<void>
}

/** Some of it goes to the other side, so that payments find their way back too. */
const CHANNEL = { sats: '5000000', pushedSats: '1000000' }
const COINBASE_MATURITY_BLOCKS = 100
/** An lnd takes a channel for open then. */
const CONFIRMATIONS = 6
const EDGES = 2
const WAIT = { everyMs: 50, timeoutMs: 60_000 }
const CALL_MS_MAX = 30_000

const anything = z.unknown()
const address = z.object({ address: z.string() })
/** Each side says for itself what it takes for a payment; without its word no way leads through. */
const said = z.object({}).nullable()
const graph = z.object({
  edges: z.array(z.object({ node1_policy: said, node2_policy: said })),
})
const invoice = z.object({ payment_request: z.string() })
const sent = z.object({ payment_error: z.string() })
const resting = z.object({
  channels: z.array(z.object({ pending_htlcs: z.array(z.unknown()) })),
})
const channels = z.object({ channels: z.array(z.object({ active: z.boolean() })) })

/** Call it in `beforeAll`, which allows LND_WAIT_MS, and its `remove` in `afterAll`. */
export async function testLightning(): Promise<TestLightning> {
  return lightningOf(await lndOfTheRun())
}

/** The same of an lnd that is there, also where no test runs. */
export async function lightningOf(program: Program): Promise<TestLightning> {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-lnd-'))
  const bitcoind = await testNode()
  await bitcoind.mine(1)
  const log = createLog('test', 'silent')
  const start = (name: string) =>
    startConnectedLnd({ dir: join(dir, name), program, bitcoind: bitcoind.rpc, log })
  const alice = await start('alice')
  const bob = await start('bob')
  const carol = await start('carol')
  const all = [alice, bob, carol]
  const mine: TestLightning['mine'] = async count => {
    await bitcoind.mine(count)
    const blocks = z.int().parse(await bitcoind.cli('getblockcount'))
    await Promise.all(all.map(node => hasSeen(node, blocks)))
  }

  for (const node of [alice, bob])
    await bitcoind.mine(1, (await ask(node, address, 'newAddress')).address)
  await mine(COINBASE_MATURITY_BLOCKS)
  await fundChannel(alice, bob, CHANNEL)
  await fundChannel(bob, carol, CHANNEL)
  await mine(CONFIRMATIONS)
  await Promise.all(all.map(isReady))
  await paysOnce(alice, carol)
  return {
    ...{ bitcoind, alice, bob, carol, dir, mine },
    remove: async () => {
      await Promise.all(all.map(node => node.stop()))
      await bitcoind.remove()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/**
 * What its channels can send, in millisats, once nothing is on its way: until a payment has left the
 * commitment its opener bears the room that it takes there.
 */
export async function restingOutbound(node: Pick<ConnectedLnd, 'connection'>): Promise<bigint> {
  const isAtRest = async () => {
    const all = (await ask(node, resting, 'listChannels')).channels
    return all.every(({ pending_htlcs }) => pending_htlcs.length === 0) || null
  }
  if (!(await pollUntil(isAtRest, WAIT))) throw new Error('something stays on its way')
  return (await lndClient(node.connection).liquidity()).outbound
}

/** Waits until a node that was started again has its channels, and the way on from there. */
export async function isReady(node: ConnectedLnd): Promise<void> {
  let seen = 'nothing'
  const isThere = async () => {
    const { edges } = await ask(node, graph, 'describeGraph')
    const { channels: own } = await ask(node, channels, 'listChannels')
    const usable = edges.filter(edge => edge.node1_policy && edge.node2_policy)
    const active = own.filter(channel => channel.active)
    seen = `${usable.length} of ${EDGES} edges, ${active.length} of ${own.length} channels`
    const isWhole = edges.length === EDGES && usable.length === EDGES
    return (isWhole && active.length === own.length) || null
  }
  if (!(await pollUntil(isThere, WAIT))) throw new Error(`an lnd is not ready: it has ${seen}`)
}

/**
 * What the graph says of a way may come before its nodes forward anything, and each failure would
 * make the payer shun it for a while; so a test begins when money has gone through.
 */
async function paysOnce(from: ConnectedLnd, to: ConnectedLnd): Promise<void> {
  const isPaid = async () => {
    const { payment_request } = await ask(to, invoice, 'addInvoice', { value: '1' })
    const { payment_error } = await ask(from, sent, 'sendPaymentSync', { payment_request })
    if (payment_error === '') return true
    await from.connection.call(anything, {
      ...{ service: 'router', method: 'resetMissionControl', request: {} },
      timeoutMs: CALL_MS_MAX,
    })
    return null
  }
  if (!(await pollUntil(isPaid, WAIT))) throw new Error('no payment comes through')
}
