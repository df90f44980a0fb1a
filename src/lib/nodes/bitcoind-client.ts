import { z } from 'zod'
import { type BlockHash, blockHash, type Txid } from '../ids.ts'
import type { Sats } from '../money.ts'
import { satsFromCoins } from './amount.ts'
import type { CallOptions, NodeRpc } from './bitcoin-core-client.ts'
import { type BlockTemplateReply, coreTemplate, OUR_RULES } from './block-template.ts'
import { RpcError } from './rpc-error.ts'

export type BlockchainInfo = {
  /** `main`, `testnet4`, `signet` or `regtest`. */
  readonly chain: string
  readonly blocks: number
  readonly headers: number
  readonly bestBlock: BlockHash
  readonly isInitialBlockDownload: boolean
}

export type BlockHeaderInfo = {
  readonly hash: BlockHash
  readonly height: number
  /** Blocks from it to the tip, itself included; −1 when it is not on the best chain. */
  readonly confirmations: number
  /** Null for the first block of the chain. */
  readonly previousBlock: BlockHash | null
  /** Seconds since 1970, as its miner said. */
  readonly time: number
  /** Of it and the ten before it; the next block's time is above it (BIP 113). */
  readonly medianTime: number
}

export type TemplateOptions = {
  readonly longPollId?: string
  readonly signal: AbortSignal
}

/** What the pool asks a node, each reply parsed. All throw as `NodeRpc` does. */
export type BitcoindClient = {
  readonly getBlockchainInfo: (options?: {
    readonly signal: AbortSignal
  }) => Promise<BlockchainInfo>
  /** With a long poll id the node answers when its template changed, however long that takes. */
  readonly getBlockTemplate: (options?: Partial<TemplateOptions>) => Promise<BlockTemplateReply>
  /**
   * @returns null when the node took the block, else its words; `duplicate` says that it had the
   *   block already and found it good, `inconclusive` that another chain is better at present
   */
  readonly submitBlock: (block: Uint8Array) => Promise<string | null>
  /** Null when the node has no such block. */
  readonly getBlockHeader: (hash: BlockHash) => Promise<BlockHeaderInfo | null>
  /** The best chain's block of that height, or null when the chain is shorter. */
  readonly getBlockHash: (height: number) => Promise<BlockHash | null>
  /** The raw block, or null when the node has no such block. */
  readonly getBlock: (hash: BlockHash) => Promise<Uint8Array | null>
  /** What a transaction of a block paid; null when the node cannot tell, as after pruning. */
  readonly getFee: (txid: Txid, block: BlockHash) => Promise<Sats | null>
  /**
   * Unspent outputs of the chain, without the mempool, that have one of these scripts, as
   * `txid:vout`. The node reads all of its coins for it, one search at a time.
   */
  readonly findUnspent: (scripts: readonly Uint8Array[]) => Promise<readonly string[]>
  readonly getVersion: () => Promise<{ readonly version: number; readonly subversion: string }>
}

/** Reading all coins of a large chain takes minutes. */
const SCAN_TIMEOUT_MS = 1_800_000
const RPC_INVALID_ADDRESS_OR_KEY = -5
const RPC_INVALID_PARAMETER = -8
const RPC_DESERIALIZATION_ERROR = -22

const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform(blockHash)
const bytes = z
  .string()
  .regex(/^(?:[0-9a-f]{2})*$/)
  .transform(hex => new Uint8Array(Buffer.from(hex, 'hex')))
const count = z.int().nonnegative()
const blockchainInfo = z
  .object({
    chain: z.string(),
    blocks: count,
    headers: count,
    bestblockhash: hash,
    initialblockdownload: z.boolean(),
  })
  .transform(({ chain, blocks, headers, bestblockhash, initialblockdownload }) => ({
    chain,
    blocks,
    headers,
    bestBlock: bestblockhash,
    isInitialBlockDownload: initialblockdownload,
  }))

const blockHeader = z
  .object({
    hash,
    height: count,
    confirmations: z.int(),
    previousblockhash: hash.optional(),
    time: count,
    mediantime: count,
  })
  .transform(({ previousblockhash, mediantime, ...rest }) => ({
    ...rest,
    previousBlock: previousblockhash ?? null,
    medianTime: mediantime,
  }))

/** Coins; a literal of more than 15 characters arrives as a string. */
const transactionFee = z
  .object({ fee: z.union([z.number(), z.string()]).optional() })
  .nullable()
  .transform(reply => (reply?.fee === undefined ? null : satsFromCoins(reply.fee)))

const scan = z.object({ unspents: z.array(z.object({ txid: z.string(), vout: count })) })

/** The typed calls over a node's RPC. */
export function bitcoindClient({ call }: NodeRpc): BitcoindClient {
  /** One of these codes says that what was asked for is not there. */
  const orNull = (codes: readonly number[], reply: Promise<unknown>): Promise<unknown> =>
    reply.catch(error => {
      if (error instanceof RpcError && codes.includes(error.code)) return null
      throw error
    })
  return {
    getBlockchainInfo: async options =>
      blockchainInfo.parse(await call('getblockchaininfo', [], options)),
    getBlockTemplate: async ({ longPollId, signal }: Partial<TemplateOptions> = {}) => {
      const request = { rules: OUR_RULES, ...(longPollId ? { longpollid: longPollId } : {}) }
      const options: CallOptions = {
        ...(longPollId ? { timeoutMs: 'none' } : {}),
        ...(signal ? { signal } : {}),
      }
      return coreTemplate.parse(await call('getblocktemplate', [request], options))
    },
    submitBlock: async block => {
      const hex = Buffer.from(block).toString('hex')
      const reply = call('submitblock', [hex]).catch(error => {
        if (error instanceof RpcError && error.code === RPC_DESERIALIZATION_ERROR)
          return error.message
        throw error
      })
      return z
        .string()
        .nullable()
        .parse(await reply)
    },
    getBlockHeader: async hash =>
      blockHeader
        .nullable()
        .parse(await orNull([RPC_INVALID_ADDRESS_OR_KEY], call('getblockheader', [hash]))),
    getBlockHash: async height =>
      hash.nullable().parse(await orNull([RPC_INVALID_PARAMETER], call('getblockhash', [height]))),
    getBlock: async hash => {
      const reply = orNull([RPC_INVALID_ADDRESS_OR_KEY], call('getblock', [hash, 0]))
      return bytes.nullable().parse(await reply)
    },
    getFee: async (id, block) => {
      const reply = orNull([RPC_INVALID_ADDRESS_OR_KEY], call('getrawtransaction', [id, 2, block]))
      return transactionFee.parse(await reply)
    },
    findUnspent: async scripts => {
      const wanted = scripts.map(script => `raw(${Buffer.from(script).toString('hex')})`)
      const reply = await call('scantxoutset', ['start', wanted], { timeoutMs: SCAN_TIMEOUT_MS })
      return scan.parse(reply).unspents.map(({ txid, vout }) => `${txid}:${vout}`)
    },
    getVersion: async () =>
      z.object({ version: count, subversion: z.string() }).parse(await call('getnetworkinfo', [])),
  }
}
