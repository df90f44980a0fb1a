import { setInterval } from 'node:timers/promises'
import { parseAddress } from '../../lib/bitcoin/address.ts'
import type { DrivechainOpcode } from '../../lib/bitcoin/drivechain.ts'
import type { Log } from '../../lib/log.ts'
import { THUNDER_SLOT } from '../../lib/thunder/address.ts'
import type { Clock } from '../../lib/time.ts'
import type { NodeRpc } from '../node-rpc.ts'
import { startConnectServer } from './enforcer/connect-protocol.ts'
import { followNode, type NodeFollower } from './enforcer/follow-node.ts'
import { type BlockProducer, blockProducer, ownCandidate } from './enforcer/producer.ts'
import { enforcerServices, type ServiceParts } from './enforcer/services.ts'
import { startTemplateServer, templateCalls } from './enforcer/template-server.ts'
import { type EnforcerWallet, enforcerWallet } from './enforcer/wallet.ts'
import { watchMempool } from './enforcer/watch-mempool.ts'

/** How often the node is looked at when nobody asks anything. */
const LOOK_EVERY_MS = 100

/**
 * A stand-in for the BIP 300/301 enforcer on regtest.
 *
 * Real: the node and its chain, the transactions, every rule by which a block is thrown out of it,
 * the treasuries, the auction of bids, both protocols and their words. Simulated: its wallet is one
 * of the node's, its mempool is the node's with fees lowered, it has no streams, and it learns of a
 * block when it is asked or within a tenth of a second.
 */
export type SimulatedEnforcer = {
  /** Connect calls in JSON, `<url>/cusf.mainchain.v1.<Service>/<Method>`. */
  readonly grpcUrl: string
  /** `getblocktemplate` and `submitblock`. */
  readonly templateUrl: string
  readonly control: EnforcerControl
  /** For the simulated sidechain node, which lives in the same process. */
  readonly parts: EnforcerParts
  readonly stop: () => Promise<void>
}

/** What a test or the demo can do to it. */
export type EnforcerControl = {
  /** Looks at the node now, and judges what is new. */
  readonly sync: () => Promise<void>
  /** Why blocks were thrown out, by hash. */
  readonly rejections: ReadonlyMap<string, string>
  /** While true, templates are refused as during the first synchronisation (error −10). */
  readonly setSyncing: (isSyncing: boolean) => void
  /**
   * Mines a block on the spot, as a pool would that has a Thunder node and transactions of its own,
   * and returns its hash.
   */
  readonly mine: (own?: OwnBlock) => Promise<string>
  /** The process starts again: it judges the node's mempool anew. */
  readonly restart: () => Promise<void>
}

/** What goes into a block besides what the enforcer's template has. */
export type OwnBlock = {
  /** H* of a side block of Thunder to accept, in the place of every bid. */
  readonly accept?: string
  /** Raw transactions, such as deposits that the node does not relay. */
  readonly transactions?: readonly Uint8Array[]
}

export type EnforcerParts = {
  readonly follower: NodeFollower
  readonly producer: BlockProducer
  readonly wallet: EnforcerWallet | null
  readonly opcode: DrivechainOpcode
}

/** @param hasWallet false leaves out its WalletService, as the flag of the real one does */
export async function startEnforcerSim(options: {
  readonly rpc: NodeRpc
  readonly opcode: DrivechainOpcode
  readonly hasWallet: boolean
  readonly log: Log
  readonly clock: Clock
}): Promise<SimulatedEnforcer> {
  const { rpc, opcode, log, clock } = options
  const follower = followNode({ rpc, opcode, log })
  const mempool = watchMempool({ follower, opcode, log })
  const producer = blockProducer({ follower, opcode, candidates: mempool.candidates })
  // As the real one does (block_producer/mod.rs): what a block has ended is proposed no more.
  follower.onBlock(({ effects }) => {
    const ended = new Set<string>(
      effects.events.flatMap(({ event }) =>
        event.kind === 'bundle succeeded' || event.kind === 'bundle failed' ? [event.m6id] : [],
      ),
    )
    producer.policy.bundles = producer.policy.bundles.filter(({ m6id }) => !ended.has(m6id))
  })
  const wallet = await enforcerWallet(rpc)
  const payoutScript = scriptOf(await wallet.newAddress())
  let isSyncing = false
  const syncAll = async () => {
    await follower.sync()
    await mempool.sync()
  }
  const parts: ServiceParts = {
    follower,
    producer,
    wallet: options.hasWallet ? wallet : null,
    opcode,
    syncMempool: mempool.sync,
  }
  await syncAll()
  const connect = await startConnectServer(0, enforcerServices(parts))
  const calls = templateCalls({
    follower,
    producer,
    syncMempool: mempool.sync,
    isSyncing: () => isSyncing,
    payoutScript: () => payoutScript,
    clock,
  })
  const template = await startTemplateServer(0, calls)
  const looking = new AbortController()
  void look(syncAll, looking.signal, log)
  log.info({ grpc: connect.port, template: template.port }, 'simulated enforcer started')
  return {
    grpcUrl: connect.url,
    templateUrl: template.url,
    parts: { follower, producer, wallet: parts.wallet, opcode },
    control: {
      sync: syncAll,
      rejections: follower.rejections,
      setSyncing(value) {
        isSyncing = value
      },
      async mine({ accept, transactions = [] } = {}) {
        await syncAll()
        const accepts = new Map(accept === undefined ? [] : [[THUNDER_SLOT, accept]])
        const own = { accepts, transactions: transactions.map(ownCandidate) }
        const outcome = await producer.mine(payoutScript, own)
        if (outcome.kind === 'stuck') throw new Error(outcome.text)
        return outcome.hash
      },
      async restart() {
        mempool.restart()
        await syncAll()
      },
    },
    async stop() {
      looking.abort()
      await Promise.all([connect.close(), template.close()])
    },
  }
}

async function look(sync: () => Promise<void>, signal: AbortSignal, log: Log): Promise<void> {
  let isAway = false
  try {
    for await (const _ of setInterval(LOOK_EVERY_MS, null, { signal })) {
      try {
        await sync()
        isAway = false
      } catch (error) {
        // Said once: a node that is stopped in the middle of a test is no news each time.
        if (!isAway && !signal.aborted)
          log.warn({ error: String(error) }, 'simulated enforcer: its node does not answer')
        isAway = true
      }
    }
  } catch {
    // The signal ends the wait by an error.
  }
}

function scriptOf(address: string): Uint8Array {
  const parsed = parseAddress(address, 'regtest')
  if (parsed.kind !== 'address') throw new Error("the node's own address is one of regtest")
  return parsed.script
}
