import { z } from 'zod'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { type Bitcoind, startBitcoind } from './bitcoind.ts'
import { startHardeningProxy } from './hardening-proxy.ts'
import { callNode } from './node-rpc.ts'

const WALLET = 'sidepool'
/** Blocks that pay the pool's wallet at the start: the capital that carries PPS through bad luck. */
const CAPITAL_BLOCKS = 20
/** A coinbase is spendable under 100 further blocks. */
const MATURITY_BLOCKS = 100

/** A real regtest node with a funded wallet, behind a proxy that makes blocks as rare as asked. */
export type Devnet = {
  readonly node: Bitcoind
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
  const call: Devnet['call'] = (method, ...params) => callNode(node.rpc, method, ...params)
  const walletCall: Devnet['walletCall'] = (wallet, method, ...params) => {
    const url = `${node.rpc.url}/wallet/${encodeURIComponent(wallet)}`
    return callNode({ ...node.rpc, url }, method, ...params)
  }
  await call('createwallet', WALLET, false, false, '', false, true, true)
  const text = z.string()
  const coinbaseAddress = text.parse(await walletCall(WALLET, 'getnewaddress', '', 'bech32'))
  await call('generatetoaddress', CAPITAL_BLOCKS, coinbaseAddress)
  // Witness version 1 without a program: spendable by anyone, so by nobody here.
  const mine = async (count: number) => {
    await call('generatetodescriptor', count, 'raw(51)')
  }
  await mine(MATURITY_BLOCKS)
  const unspent = z
    .array(z.object({ txid: z.string(), vout: z.number() }))
    .parse(await walletCall(WALLET, 'listunspent'))
  const target = (1n << 256n) / options.hashesPerBlock - 1n
  const proxy = await startHardeningProxy({ nodeUrl: node.rpc.url, target })
  return {
    node,
    poolNodeUrl: proxy.url,
    wallet: WALLET,
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
