import { z } from 'zod'
import { activateThunder, callConnect } from '../../src/devnet/index.ts'
import { enforcerWallet } from '../../src/devnet/sidechain/enforcer/wallet.ts'
import type { BlockHash } from '../../src/lib/ids.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import type { NodeCalls } from './bitcoind.ts'
import { mineOwnBlock, type OwnBlock } from './own-block.ts'

/** Where the nodes of a sidechain answer. */
export type SidechainUrls = {
  readonly publicUrl: string
  readonly privateUrl: string
  readonly enforcerUrl: string
  readonly templateUrl: string
}

/** What a test needs of a sidechain, whoever runs it: all of it goes by these addresses alone. */
export type TestSidechain = {
  readonly urls: SidechainUrls
  /** The main chain's node, which the enforcer steers. */
  readonly node: NodeCalls
  /** A call of the Thunder node, whichever of its addresses has it. */
  readonly thunderCall: (method: string, ...params: readonly unknown[]) => Promise<unknown>
  readonly enforcerCall: (method: string, body?: object) => Promise<unknown>
  /** Waits until the enforcer has judged what the node's tip is; a block may go by that. */
  readonly sync: () => Promise<void>
  /**
   * Mines a main block on the enforcer's template by the pool's own code.
   *
   * @throws Error where the enforcer does not leave it in the chain
   */
  readonly mine: (own?: OwnBlock) => Promise<BlockHash>
  /**
   * Mines what Thunder's template gives, and connects it. Returns side hash and main hash.
   *
   * @param transactions for the main block
   */
  readonly mineSideBlock: (
    transactions?: OwnBlock['transactions'],
  ) => Promise<{ readonly side: string; readonly main: BlockHash }>
  /** Ends what the test started. */
  readonly remove: () => Promise<void>
}

const PRIVATE =
  /^(balance|get_new|get_wallet|format|create_|sign_|get_block_template|mine|set_seed|invalidate|remove_|connect_peer|forget_peer|stop|transfer|withdraw)/
const COINBASE_MATURITY_BLOCKS = 101
/** For deposits and bids; a wallet gets new coins below that. */
const WALLET_SATS_MIN = 1_000_000_000n
const PATIENCE = { everyMs: 20, timeoutMs: 30_000 }
const reply = z.object({
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
})
const template = z.object({
  critical_hash: z.string(),
  block: z.looseObject({ header: z.looseObject({ prev_main_hash: z.string() }) }),
})

/** The seed of the recordings: its addresses are in test/vectors/thunder/transactions.json. */
export const TEST_MNEMONIC =
  'legal winner thank year wave sausage worth useful legal winner thank yellow'

/**
 * A sidechain by its addresses alone: its slot is in use, and there are coins in its enforcer's
 * wallet and in the node's that deposits come from. Simulated, both are the same.
 */
export async function sidechainAt(
  parts: Pick<TestSidechain, 'urls' | 'node' | 'remove'>,
): Promise<TestSidechain> {
  const { urls, node } = parts
  const { enforcerUrl } = urls
  const enforcer = enforcerClient({ grpcUrl: enforcerUrl })
  const thunderCall: TestSidechain['thunderCall'] = (method, ...params) =>
    callThunder(PRIVATE.test(method) ? urls.privateUrl : urls.publicUrl, method, params)
  const isJudged = async () =>
    (await enforcer.chainTip()).hash === (await node.cliText('getbestblockhash'))
  const sync = async () => {
    const judged = await pollUntil(async () => (await isJudged()) || null, PATIENCE)
    if (judged === null) throw new Error('the enforcer does not follow its node')
  }
  const mine: TestSidechain['mine'] = async (own = {}) => {
    await sync()
    const hash = await mineOwnBlock(node, urls.templateUrl, own)
    await sync()
    if ((await node.cliText('getbestblockhash')) !== hash)
      throw new Error(`the enforcer threw ${hash} out`)
    return hash
  }
  /** Thunder learns of a main block from the enforcer, a moment later. */
  const templateOnTip = async () => {
    const tip = await node.cliText('getbestblockhash')
    const made = template.parse(await thunderCall('get_block_template'))
    return made.block.header.prev_main_hash === tip ? made : null
  }
  await activateThunder(enforcerUrl)
  for (const wallet of [enforcer, await enforcerWallet(node.rpc)])
    if ((await wallet.balance()).confirmed < WALLET_SATS_MIN) {
      await node.mine(COINBASE_MATURITY_BLOCKS, await wallet.newAddress())
      await sync()
    }
  await sync()
  return {
    ...parts,
    ...{ thunderCall, sync, mine },
    enforcerCall: (method, body = {}) => callConnect(enforcerUrl, method, body),
    async mineSideBlock(transactions = []) {
      await sync()
      const made = await pollUntil(templateOnTip, PATIENCE)
      if (made === null) throw new Error('Thunder does not follow its enforcer')
      const { critical_hash: side, block } = made
      const main = await mine({ accept: side, transactions })
      const isTip = await thunderCall('connect_block', block, main)
      if (isTip !== true) throw new Error(`${side} is not the tip`)
      return { side, main }
    },
  }
}

async function callThunder(
  url: string,
  method: string,
  params: readonly unknown[],
): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    // A connection of an earlier call would be a dead one after a restart.
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const { result, error } = reply.parse(await response.json())
  if (error) throw new Error(error.message)
  return result
}
