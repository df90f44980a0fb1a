import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { fromHex } from '../lib/bytes.ts'
import type { Log } from '../lib/log.ts'
import { lndClient } from '../lib/nodes/lnd-client.ts'
import { pollUntil } from '../lib/poll.ts'
import type { Program } from './apt-unpack.ts'
import { ask, type ConnectedLnd, fundChannel, hasSeen, startConnectedLnd } from './connected-lnd.ts'
import type { Devnet, DevnetNode } from './devnet.ts'
import { type LightningPayee, startLightningPayee } from './lightning-payee.ts'
import { LND_PAY_METHODS, LND_READ_METHODS } from './lightning-permissions.ts'

/** More than three miners' blocks earn a slow one in a demo; of a coinbase of the devnet. */
const CHANNEL_SATS = '500000000'
const COINBASE_MATURITY_BLOCKS = 100
/** Such a large channel is taken for open then. */
const CONFIRMATIONS = 6
const PATIENCE = { everyMs: 100, timeoutMs: 120_000 }

/** Where an lnd is, and the file of a macaroon for it. */
export type LndFiles = {
  readonly socket: string
  readonly certFile: string
  readonly macaroonFile: string
}

/** The pool's lnd on a devnet with a channel to a payee's, both real. */
export type DevnetLightning = {
  /** With the macaroon that looks. */
  readonly read: LndFiles
  /** With the macaroon that pays. */
  readonly pay: LndFiles
  /** What the pool's side of the channel can send. */
  readonly outboundSats: bigint
  readonly payee: LightningPayee
  readonly stop: () => Promise<void>
}

const address = z.object({ address: z.string() })
const macaroon = z.object({ macaroon: z.string() })
const channels = z.object({ channels: z.array(z.object({ active: z.boolean() })) })

/**
 * Starts two lnd on a devnet's node and opens a channel between them, with a coinbase of its own.
 *
 * @param dir their folder
 */
export async function startDevnetLightning(options: {
  readonly dir: string
  readonly program: Program
  readonly devnet: Devnet<DevnetNode>
  readonly log: Log
}): Promise<DevnetLightning> {
  const { dir, program, devnet, log } = options
  const nodes: ConnectedLnd[] = []
  const start = async (name: string) => {
    const at = { dir: join(dir, name), program, bitcoind: devnet.node.rpc, log }
    const lnd = await startConnectedLnd(at)
    nodes.push(lnd)
    return lnd
  }
  const stop = async () => void (await Promise.all(nodes.map(node => node.stop())))
  try {
    const pool = await start('pool')
    const miner = await start('miner')
    const { address: fund } = await ask(pool, address, 'newAddress')
    await devnet.call('generatetoaddress', 1, fund)
    await devnet.mine(COINBASE_MATURITY_BLOCKS)
    await hasSeen(pool, z.int().parse(await devnet.call('getblockcount')))
    await fundChannel(pool, miner, { sats: CHANNEL_SATS })
    await devnet.mine(CONFIRMATIONS)
    await isOpen(pool)
    const { outbound } = await lndClient(pool.connection).liquidity()
    const read = await filesOf(pool, join(dir, 'read'), LND_READ_METHODS)
    const pay = await filesOf(pool, join(dir, 'pay'), LND_PAY_METHODS)
    const payee = await startLightningPayee(join(dir, 'payee'), miner)
    return {
      ...{ read, pay, payee, outboundSats: outbound / 1000n },
      stop: async () => {
        await payee.stop()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function isOpen(node: ConnectedLnd): Promise<void> {
  const isThere = async () => {
    const { channels: all } = await ask(node, channels, 'listChannels')
    return all.some(({ active }) => active) || null
  }
  if (!(await pollUntil(isThere, PATIENCE))) throw new Error('no channel comes to be open')
}

/** Bakes a macaroon, and leaves it with the certificate where a configuration can name them. */
async function filesOf(
  node: ConnectedLnd,
  path: string,
  methods: readonly string[],
): Promise<LndFiles> {
  const permissions = methods.map(method => ({ entity: 'uri', action: method }))
  const baked = await ask(node, macaroon, 'bakeMacaroon', { permissions })
  const files = { certFile: `${path}.cert`, macaroonFile: `${path}.macaroon` }
  await writeFile(files.certFile, node.access.cert)
  await writeFile(files.macaroonFile, fromHex(baked.macaroon), { mode: 0o600 })
  return { socket: node.access.socket, ...files }
}
