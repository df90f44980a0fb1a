import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { fromHex } from '../lib/bytes.ts'
import type { Log } from '../lib/log.ts'
import { lndClient } from '../lib/nodes/lnd-client.ts'
import { connectLnd, type LndConnection } from '../lib/nodes/lnd-grpc-client.ts'
import { pollUntil } from '../lib/poll.ts'
import type { Program } from './apt-unpack.ts'
import type { Devnet, DevnetNode } from './devnet.ts'
import { type LightningPayee, startLightningPayee } from './lightning-payee.ts'
import { LND_PAY_METHODS, LND_READ_METHODS } from './lightning-permissions.ts'
import { type Lnd, startLnd } from './lnd.ts'

/** More than three miners' blocks earn a slow one in a demo; of a coinbase of the devnet. */
const CHANNEL_SATS = '500000000'
const CHANNEL_SATS_PER_VBYTE = '2'
const COINBASE_MATURITY_BLOCKS = 100
/** Such a large channel is taken for open then. */
const CONFIRMATIONS = 6
const PATIENCE = { everyMs: 100, timeoutMs: 120_000 }
const CALL_MS_MAX = 30_000

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

const anything = z.unknown()
const address = z.object({ address: z.string() })
const macaroon = z.object({ macaroon: z.string() })
const info = z.object({ synced_to_chain: z.boolean(), block_height: z.int() })
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
  const start = (name: string) =>
    startLnd({ dir: join(dir, name), program, bitcoind: devnet.node.rpc, log })
  const [pool, miner] = [await start('pool'), await start('miner')]
  const [ours, theirs] = [connectLnd(pool.access), connectLnd(miner.access)]
  const { address: fund } = await ask(ours, address, 'newAddress')
  await devnet.call('generatetoaddress', 1, fund)
  await devnet.mine(COINBASE_MATURITY_BLOCKS)
  await seen(ours, devnet)
  await open(ours, miner)
  await devnet.mine(CONFIRMATIONS)
  await isOpen(ours)
  const payee = await startLightningPayee(join(dir, 'payee'), theirs)
  const { outbound } = await lndClient(ours).liquidity()
  return {
    read: await filesOf(ours, pool, join(dir, 'read'), LND_READ_METHODS),
    pay: await filesOf(ours, pool, join(dir, 'pay'), LND_PAY_METHODS),
    outboundSats: outbound / 1000n,
    payee,
    stop: async () => {
      await payee.stop()
      for (const connection of [ours, theirs]) connection.close()
      await Promise.all([pool.stop(), miner.stop()])
    },
  }
}

function ask<T>(
  connection: LndConnection,
  reply: z.ZodType<T>,
  method: string,
  request: object = {},
): Promise<T> {
  return connection.call(reply, {
    ...{ service: 'default', method, request, timeoutMs: CALL_MS_MAX },
  })
}

async function open(from: LndConnection, { publicKey, peerSocket }: Lnd): Promise<void> {
  const addr = { pubkey: publicKey, host: peerSocket }
  await ask(from, anything, 'connectPeer', { addr })
  await ask(from, anything, 'openChannelSync', {
    node_pubkey: Buffer.from(publicKey, 'hex'),
    ...{ local_funding_amount: CHANNEL_SATS, sat_per_vbyte: CHANNEL_SATS_PER_VBYTE },
  })
}

async function seen(node: LndConnection, { call }: Devnet<DevnetNode>): Promise<void> {
  const height = z.int().parse(await call('getblockcount'))
  const isThere = async () => {
    const { synced_to_chain, block_height } = await ask(node, info, 'getInfo')
    return (synced_to_chain && block_height >= height) || null
  }
  if (!(await pollUntil(isThere, PATIENCE))) throw new Error('lnd does not follow its node')
}

async function isOpen(node: LndConnection): Promise<void> {
  const isThere = async () => {
    const { channels: all } = await ask(node, channels, 'listChannels')
    return all.some(({ active }) => active) || null
  }
  if (!(await pollUntil(isThere, PATIENCE))) throw new Error('no channel comes to be open')
}

/** Bakes a macaroon, and leaves it with the certificate where a configuration can name them. */
async function filesOf(
  node: LndConnection,
  { access }: Lnd,
  path: string,
  methods: readonly string[],
): Promise<LndFiles> {
  const permissions = methods.map(method => ({ entity: 'uri', action: method }))
  const baked = await ask(node, macaroon, 'bakeMacaroon', { permissions })
  const files = { certFile: `${path}.cert`, macaroonFile: `${path}.macaroon` }
  await writeFile(files.certFile, access.cert)
  await writeFile(files.macaroonFile, fromHex(baked.macaroon), { mode: 0o600 })
  return { socket: access.socket, ...files }
}
