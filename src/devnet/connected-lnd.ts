import { z } from 'zod'
import { fromHex } from '../lib/bytes.ts'
import { connectLnd, type LndConnection } from '../lib/nodes/lnd-grpc-client.ts'
import { pollUntil } from '../lib/poll.ts'
import { type Lnd, startLnd } from './lnd.ts'

/** A node with everything that may be asked of it. */
export type ConnectedLnd = Lnd & { readonly connection: LndConnection }

const CHANNEL_SATS_PER_VBYTE = '2'
const PATIENCE = { everyMs: 50, timeoutMs: 120_000 }
const CALL_MS_MAX = 30_000

const anything = z.unknown()
const info = z.object({ synced_to_chain: z.boolean(), block_height: z.int() })

export async function startConnectedLnd(
  options: Parameters<typeof startLnd>[0],
): Promise<ConnectedLnd> {
  const lnd = await startLnd(options)
  const connection = connectLnd(lnd.access)
  const stop = async () => {
    connection.close()
    await lnd.stop()
  }
  return { ...lnd, connection, stop }
}

/** A call of the service that has no name of its own in the package. */
export function ask<T>(
  { connection }: Pick<ConnectedLnd, 'connection'>,
  reply: z.ZodType<T>,
  method: string,
  request: object = {},
): Promise<T> {
  return connection.call(reply, {
    ...{ service: 'default', method, request, timeoutMs: CALL_MS_MAX },
  })
}

/** Connects two nodes and pays for a channel between them, which opens as blocks confirm it. */
export async function fundChannel(
  from: ConnectedLnd,
  to: Pick<Lnd, 'publicKey' | 'peerSocket'>,
  { sats, pushedSats = '0' }: { readonly sats: string; readonly pushedSats?: string },
): Promise<void> {
  await ask(from, anything, 'connectPeer', { addr: { pubkey: to.publicKey, host: to.peerSocket } })
  await ask(from, anything, 'openChannelSync', {
    node_pubkey: fromHex(to.publicKey),
    ...{ local_funding_amount: sats, push_sat: pushedSats, sat_per_vbyte: CHANNEL_SATS_PER_VBYTE },
  })
}

/** Waits until a node has seen so many blocks. */
export async function hasSeen(node: ConnectedLnd, height: number): Promise<void> {
  const isThere = async () => {
    const { synced_to_chain, block_height } = await ask(node, info, 'getInfo')
    return (synced_to_chain && block_height >= height) || null
  }
  if (!(await pollUntil(isThere, PATIENCE))) throw new Error('an lnd does not follow its node')
}
