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
/** Fifty coins: what each of regtest's first blocks pays. */
const BLOCK_SATS = 5_000_000_000n

/** A real regtest node with a funded wallet, behind a proxy that makes blocks as rare as asked. */
export type Devnet = {
  readonly node: Bitcoind
  /** What the pool is told as its node's URL; user and password are the node's. */
  readonly poolNodeUrl: string
  readonly wallet: string
  /** Where the pool's coinbases pay: an address of the wallet. */
  readonly coinbaseAddress: string
  /** What the wallet can spend at the start, to be booked as the treasury's capital. */
  readonly capitalSats: bigint
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
  const target = (1n << 256n) / options.hashesPerBlock - 1n
  const proxy = await startHardeningProxy({ nodeUrl: node.rpc.url, target })
  return {
    node,
    poolNodeUrl: proxy.url,
    wallet: WALLET,
    coinbaseAddress,
    capitalSats: BigInt(CAPITAL_BLOCKS) * BLOCK_SATS,
    call,
    walletCall,
    mine,
    stop: async () => {
      await proxy.close()
      await node.stop()
    },
  }
}
