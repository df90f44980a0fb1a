import { statSync } from 'node:fs'
import { expect } from 'vitest'
import { z } from 'zod'
import type { SpendPolicy } from '../../src/approval/index.ts'
import { watchDescriptor } from '../../src/commands/treasury-watch.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode, type NodeRpc } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { systemClock } from '../../src/lib/time.ts'
import { autoApprove } from '../../src/payouts/decide-store.ts'
import { hostSigner } from '../../src/payouts/rails/l1/host-signer-client.ts'
import { l1Rail } from '../../src/payouts/rails/l1/l1-rail.ts'
import type { Multisig } from '../../src/payouts/rails/l1/multisig.ts'
import type { L1Signer } from '../../src/payouts/rails/l1/signer.ts'
import type { SignerClient } from '../../src/payouts/signer-client.ts'
import { outputsTo } from '../payouts/l1-chain.ts'
import {
  addressOf,
  createWorld,
  FINALITY,
  HOUR_MS,
  OPTIONS,
  POLICY,
  type World,
} from '../payouts/l1-world.ts'
import { OWED } from '../payouts/seed.ts'
import type { TestNode } from '../support/bitcoind.ts'
import { startTapProxy } from '../support/tap-proxy.ts'
import { addPerson, secretOf } from '../treasury/people.ts'
import { type HostChoices, signerHost } from './host.ts'

/** Whose key the pool signs with alone; its number among the keys of tests. */
export const POOL_KEY = 7
const FOREVER = '2999-01-01T00:00:00Z'
/** One coin for each batch that a world can have, and one more. */
const COINS = 4

/** The rules of a signer that knows the world's people: two of three approve anything. */
export function signerPolicy(more: object = {}): object {
  const operators = POLICY.operators.map(({ alias, roles, keys }) => ({
    ...{ alias, roles },
    keys: keys.map(({ key }) => ({ key, notAfter: FOREVER })),
  }))
  return {
    ...{ version: 1, operators, bands: [{ upToSats: null, approvals: 2 }], auto: null },
    limits: { perBatchSats: null, perDaySats: null, perDestinationPerDaySats: null },
    ...{ allowList: null, ...more },
  }
}

/** What a test puts between the pool and the signer, or in the place of a part of the pool. */
export type PoolBend = {
  readonly client?: (honest: SignerClient) => SignerClient
  readonly signer?: (host: L1Signer, world: World) => L1Signer
  readonly policy?: SpendPolicy
  readonly node?: (node: NodeRpc) => NodeRpc
  readonly db?: (db: World['db']) => World['db']
}

export type HostedChoices = HostChoices & {
  /** Of the world's own pool. */
  readonly bend?: PoolBend
  /** Where the wallet needs several keys. */
  readonly multisig?: Multisig | null
  /** Of our lnd's wallet, where channels are filled. */
  readonly channelAddress?: string
  /** How far the pool's clock is behind the host's. */
  readonly behindMs?: number
}

let worlds = 0

/** A pool with a ledger and two miners that are owed, whose wallet the node only watches. */
export async function hostedWorld(
  node: TestNode,
  {
    bend: always = {},
    multisig = null,
    behindMs = 0,
    channelAddress,
    ...choices
  }: HostedChoices = {},
) {
  const host = await signerHost('wpkh', { policy: signerPolicy(), ...choices })
  await host.start()
  const wallet = `hosted-${++worlds}`
  const rpc = connectNode(node.rpc)
  await watchDescriptor(rpc, wallet, host.descriptor)
  const address = z.string().parse(await rpc.call('getnewaddress', ['', 'bech32'], { wallet }))
  await node.mine(COINS, address)
  await node.mine(100)
  const payees = [addressOf(1_000_000 + worlds * 2), addressOf(1_000_001 + worlds * 2)]
  const start = systemClock.now() - HOUR_MS - behindMs
  const world = await createWorld(node, payees, { name: wallet, multisig }, start)
  for (const { alias, roles, keys } of POLICY.operators)
    await addPerson(
      world.db,
      alias,
      [...roles, 'operator'],
      keys.map(({ key }) => key),
    )
  // What the tap does at the first piece of the reply to a request that the signer has written down.
  let atReply: (() => 'pass' | 'drop') | null = null
  let written = 0
  const tap = await startTapProxy(
    () => host.access.port,
    direction => {
      const isWritten = statSync(host.files.memory).size > written
      if (direction === 'to server' || atReply === null || !isWritten) return 'pass'
      return atReply()
    },
  )
  const poolWith = (bend: PoolBend) => {
    const parts = { db: bend.db?.(world.db) ?? world.db, node: bend.node?.(rpc) ?? rpc }
    const direct = host.clientAt(tap.port)
    const client = bend.client?.(direct) ?? direct
    const { clock } = world
    const plain = hostSigner({ ...parts, client, wallet, clock })
    const hot = { name: wallet, signer: bend.signer?.(plain, world) ?? plain, multisig }
    const policy = async () => bend.policy ?? POLICY
    const railWith = (options: Partial<typeof OPTIONS>) =>
      l1Rail({
        ...parts,
        clock,
        policy,
        options: { ...OPTIONS, ...options },
        hot,
        cold: null,
        sidechain: null,
        channelAddress: channelAddress ?? null,
      })
    const rail = railWith({})
    const approvePlanned = async () =>
      autoApprove(world.db, bend.policy ?? POLICY, secretOf(POOL_KEY), { clock })
    return {
      plan: () => world.plan({ rail, approvePlanned }),
      advance: () => world.advance({ rail, db: parts.db }),
      /** As if nothing had ever been frozen here. */
      advanceBlind: () => world.advance({ rail, frozen: async () => null }),
      /** As at a fee rate so high, at once. */
      bump: (satPerKvb: bigint) => {
        return world.advance({
          rail: railWith({ feeRateMin: sats(satPerKvb), bumpAfterBlocks: 0 }),
        })
      },
    }
  }
  const pool = poolWith(always)
  const last = async () => {
    const batch = (await world.batches()).at(-1)
    if (!batch) throw new Error('nothing was planned')
    return batch
  }
  return {
    ...{ host, world, wallet, pool, poolWith, last },
    /** Plans, and two people approve. */
    planApproved: async () => {
      await pool.plan()
      await world.approve((await last()).id)
    },
    /** Expects that blocks settle what was sent, and that everyone got what he was owed, once. */
    expectPaid: async () => {
      await node.mine(FINALITY)
      await pool.advance()
      expect(await last()).toMatchObject({ state: 'settled' })
      for (const [index, payee] of payees.entries())
        expect(await outputsTo(node, payee)).toEqual([(OWED[index] ?? 0n) / 1000n])
    },
    /** Strikes when the next reply arrives whose request was written down. */
    strikeAtReply: (act: () => 'pass' | 'drop') => {
      written = statSync(host.files.memory).size
      atReply = act
    },
    calm: () => {
      atReply = null
    },
    /** How many times the host's memory has grown. */
    position: async () => {
      const status = await host.client.status({ head: null })
      if (status.kind === 'no answer') throw new Error(status.reason)
      return status.value.head.position
    },
    remove: async () => {
      await tap.close()
      await host.remove()
      await world.database.drop()
    },
  }
}
export type HostedWorld = Awaited<ReturnType<typeof hostedWorld>>
