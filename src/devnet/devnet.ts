import { z } from 'zod'
import { toHex } from '../lib/bytes.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { type Bitcoind, startBitcoind } from './bitcoind.ts'
import { startHardeningProxy } from './hardening-proxy.ts'
import { callNode, type NodeRpc } from './node-rpc.ts'

const WALLET = 'sidepool'
/** Of a name that no earlier run has left in a node that goes on. */
const NAME_BYTES = 4
/** Blocks that pay the pool's wallet at the start: the capital that carries PPS through bad luck. */
const CAPITAL_BLOCKS = 20
/** A coinbase is spendable under 100 further blocks. */
const MATURITY_BLOCKS = 100

/** A node of a devnet, whoever runs it. */
export type DevnetNode = Pick<Bitcoind, 'rpc' | 'version' | 'stop'> & {
  /** Null where the pool asks for the tip instead of being told. */
  readonly zmqHashBlockUrl: string | null
}

/** A real regtest node with a funded wallet, behind a proxy that makes blocks as rare as asked. */
export type Devnet<Node extends DevnetNode = Bitcoind> = {
  readonly node: Node
  /** What the pool is told as its node's URL; user and password are the node's. */
  readonly poolNodeUrl: string
  readonly wallet: string
  /** Where the pool's coinbases pay: an address of the wallet. */
  readonly coinbaseAddress: string
  /** The wallet's coins of the start, `txid:vout`, to be booked as the treasury's capital. */
  readonly capitalCoins: readonly string[]
  /** Any RPC of the node itself, past the proxy. */
  readonly call: (method: string, ...params: readonly unknown[]) => Promise<unknown>
  /** An RPC of one of the node's wallets. */
  readonly walletCall: (
    wallet: string,
    method: string,
    ...params: readonly unknown[]
  ) => Promise<unknown>
  /** Blocks of nobody's, on the spot: they let coinbases mature and confirm transactions. */
  readonly mine: (count: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/**
 * @param dir the node's folder; it must be new, since the wallet and the chain are made in it
 * @param hashesPerBlock expected hashes until the pool finds a block
 */
export async function startDevnet(options: {
  readonly dir: string
  readonly hashesPerBlock: bigint
  readonly log: Log
  readonly random: Random
}): Promise<Devnet> {
  const node = await startBitcoind(options)
  return devnetOn(node, { wallet: WALLET, hashesPerBlock: options.hashesPerBlock })
}

/**
 * A devnet on a node that somebody else runs, and that goes on after it.
 *
 * @param rpc of a node on regtest
 */
export async function joinDevnet(options: {
  readonly rpc: NodeRpc
  readonly hashesPerBlock: bigint
  readonly random: Random
}): Promise<Devnet<DevnetNode>> {
  const { rpc, random, hashesPerBlock } = options
  const { subversion } = z
    .object({ subversion: z.string() })
    .parse(await callNode(rpc, 'getnetworkinfo'))
  const node = { rpc, version: subversion, zmqHashBlockUrl: null, stop: async () => {} }
  const wallet = `${WALLET}-${toHex(random.bytes(NAME_BYTES))}`
  return devnetOn(node, { wallet, hashesPerBlock })
}

async function devnetOn<Node extends DevnetNode>(
  node: Node,
  { wallet, hashesPerBlock }: { readonly wallet: string; readonly hashesPerBlock: bigint },
): Promise<Devnet<Node>> {
  const call: Devnet['call'] = (method, ...params) => callNode(node.rpc, method, ...params)
  const walletCall: Devnet['walletCall'] = (name, method, ...params) => {
    const url = `${node.rpc.url}/wallet/${encodeURIComponent(name)}`
    return callNode({ ...node.rpc, url }, method, ...params)
  }
  await call('createwallet', wallet, false, false, '', false, true, true)
  const text = z.string()
  const coinbaseAddress = text.parse(await walletCall(wallet, 'getnewaddress', '', 'bech32'))
  await call('generatetoaddress', CAPITAL_BLOCKS, coinbaseAddress)
  // Witness version 1 without a program: spendable by anyone, so by nobody here.
  const mine = async (count: number) => {
    await call('generatetodescriptor', count, 'raw(51)')
  }
  await mine(MATURITY_BLOCKS)
  const unspent = z
    .array(z.object({ txid: z.string(), vout: z.number() }))
    .parse(await walletCall(wallet, 'listunspent'))
  const target = (1n << 256n) / hashesPerBlock - 1n
  const proxy = await startHardeningProxy({ nodeUrl: node.rpc.url, target })
  return {
    node,
    poolNodeUrl: proxy.url,
    wallet,
    coinbaseAddress,
    capitalCoins: unspent.map(({ txid, vout }) => `${txid}:${vout}`),
    call,
    walletCall,
    mine,
    stop: async () => {
      await proxy.close()
      await node.stop()
    },
  }
}
