import { z } from 'zod'
import type { Network } from '../bitcoin/network.ts'
import type { BlockHash, Txid } from '../ids.ts'
import type { Sats } from '../money.ts'
import type { ThunderAddress } from '../thunder/address.ts'
import { criticalHash, type ProvenTransaction, type ThunderBlock } from '../thunder/block.ts'
import {
  addressJson,
  blockJson,
  type Coin,
  coinJson,
  hashJson,
  mainHashJson,
  outPointJson,
  outputJson,
  type SignedTransaction,
  type SpentCoin,
  satsJson,
  signedJson,
  spentCoinJson,
  transactionJson,
  txidJson,
} from '../thunder/json.ts'
import { blockToJson, type Json, signedToJson, transactionToJson } from '../thunder/write-json.ts'
import { callJsonRpc } from './json-rpc-client.ts'
import { NodeUnreachable } from './post-client.ts'

/** Where a Thunder node is. With one RPC address both are the same. */
export type ThunderAccess = {
  readonly publicUrl: string
  readonly privateUrl: string
  /** The whole header, where one is asked for; never log it. */
  readonly authorization?: string | undefined
  /** How addresses of the main chain are written. */
  readonly network: Network
}

/** The node's own refusal: it did nothing, but see `submitTransaction` for what its words prove. */
export class ThunderError extends Error {
  override readonly name = 'ThunderError'
  /** −1 is Thunder's own; others are of JSON-RPC: the call was not understood. */
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** A block that is ready to be mined by a main block that carries its hash. */
export type ThunderTemplate = {
  /** H*: 64 hex digits in the order of its bytes, as M7 has them. */
  readonly criticalHash: string
  readonly block: ThunderBlock
  readonly fees: Sats
}

/** A transaction that the node knows. */
export type KnownTransaction = {
  readonly transaction: ProvenTransaction
  /** Null in the mempool. */
  readonly blockHash: string | null
}

/**
 * What the pool asks a Thunder node, each reply parsed. Hashes of Thunder are hex in the order of
 * their bytes, those of the main chain in display order.
 *
 * All throw ThunderError where the node refuses, and NodeUnreachable where it gives no answer or
 * one that makes no sense: whether it was done is then unknown.
 */
export type ThunderClient = {
  /** Names of all methods on either address, for `thunderEra`. */
  readonly methods: () => Promise<ReadonlySet<string>>
  /** Confirmed coins that nobody has spent. Right also after a reorganisation. */
  readonly getUtxos: (addresses: readonly ThunderAddress[]) => Promise<readonly Coin[]>
  /** Coins spent in a block, and by what: the one sound evidence that a payment is mined. */
  readonly getStxos: (addresses: readonly ThunderAddress[]) => Promise<readonly SpentCoin[]>
  /** Null for a block that the node has not. */
  readonly getBlock: (hash: string) => Promise<ThunderBlock | null>
  /** How many blocks there are: the height of the tip plus one. */
  readonly blockCount: () => Promise<number>
  /** Null before the first block. It stays on an orphan until another block is connected. */
  readonly bestSidechainBlock: () => Promise<string | null>
  /** The main block that best verifies the tip; null before the first block. */
  readonly bestMainchainBlock: () => Promise<BlockHash | null>
  /** Main blocks that carry this block's hash, orphaned ones too. */
  readonly bmmInclusions: (hash: string) => Promise<readonly BlockHash[]>
  /**
   * Null proves nothing: published nodes say it of a mined transaction as soon as its block is not
   * the tip any more. Only what it does show can be relied on.
   */
  readonly getTransaction: (id: Txid) => Promise<KnownTransaction | null>
  /**
   * Sends a transaction; a repeat is harmless.
   *
   * @throws ThunderError with words that prove no loss: a coin counts as spent twice also by the
   *   copy that is in the mempool already, and as not to be found also once it is mined
   */
  readonly submitTransaction: (signed: SignedTransaction) => Promise<Txid>
  /** Signs with the keys of the node's wallet, and sends nothing. */
  readonly signTransaction: (transaction: ProvenTransaction) => Promise<SignedTransaction>
  /**
   * A block to be mined. With fees to collect each call makes another, with another hash: keep
   * every one that went into a job. It hangs while the node's own miner waits for a main block.
   */
  readonly getBlockTemplate: () => Promise<ThunderTemplate>
  /** False where it is the tip already, or the main block does not carry its hash. */
  readonly connectBlock: (block: ThunderBlock, mainBlock: BlockHash) => Promise<boolean>
  /** Lets go of a block and what follows it; an unknown one is nothing to it. */
  readonly invalidateBlock: (hash: string) => Promise<void>
  /** From this node's mempool only. */
  readonly removeFromMempool: (id: Txid) => Promise<void>
  readonly walletAddresses: () => Promise<readonly ThunderAddress[]>
  /** The coins that wait in the pending bundle to leave for the main chain; null without one. */
  readonly pendingBundle: () => Promise<readonly Coin[] | null>
  /** The height at which the last bundle failed, so that its coins came back; null before one. */
  readonly lastFailedBundleHeight: () => Promise<number | null>
}

/** A node that makes its block while we mine on an older one helps nobody. */
const TEMPLATE_TIMEOUT_MS = 10_000
/** Internal error and parse error: neither proves that nothing was done. */
const UNCLEAR_CODES: readonly number[] = [-32603, -32700]

const height = z.int().min(0)
const schema = z.object({ paths: z.record(z.string(), z.unknown()) })
const template = z
  .object({ critical_hash: hashJson, block: blockJson, fees_sats: satsJson })
  .refine(({ critical_hash, block }) => criticalHash(block.header) === critical_hash)
  .transform(
    ({ critical_hash, block, fees_sats }): ThunderTemplate => ({
      criticalHash: critical_hash,
      block,
      fees: fees_sats,
    }),
  )
const knownTransaction = z
  .object({ tx: transactionJson, block_hash: hashJson.nullable() })
  .transform(({ tx, block_hash }): KnownTransaction => ({ transaction: tx, blockHash: block_hash }))
const bundle = z
  .object({ spend_utxos: z.array(z.tuple([outPointJson, outputJson])) })
  .transform(({ spend_utxos }) => spend_utxos.map(([outPoint, output]) => ({ outPoint, output })))

/** The typed calls over a node's RPC. Source: thunder-rust 0.17.2, rpc-api/lib.rs. */
export function thunderClient(access: ThunderAccess): ThunderClient {
  const { publicUrl, privateUrl, authorization, network } = access
  const caller =
    (url: string) =>
    async <T>(reply: z.ZodType<T>, method: string, params: Json[] = [], timeoutMs?: number) => {
      const patience = timeoutMs === undefined ? {} : { timeoutMs }
      const outcome = await callJsonRpc({ url, authorization }, method, params, patience)
      if (outcome.kind === 'refused') throw refusal(method, outcome)
      const parsed = reply.safeParse(outcome.result)
      if (parsed.success) return parsed.data
      throw new NodeUnreachable(`${method}: a reply that makes no sense`)
    }
  const node = caller(publicUrl)
  const wallet = caller(privateUrl)
  return {
    async methods() {
      const callers = publicUrl === privateUrl ? [node] : [node, wallet]
      const read = await Promise.all(callers.map(call => call(schema, 'openapi_schema')))
      return new Set(read.flatMap(({ paths }) => Object.keys(paths)))
    },
    getUtxos: addresses => node(z.array(coinJson), 'get_utxos', [addresses]),
    getStxos: addresses => node(z.array(spentCoinJson), 'get_stxos', [addresses]),
    getBlock: hash => node(blockJson.nullable(), 'get_block', [hash]),
    blockCount: () => node(height, 'getblockcount'),
    bestSidechainBlock: () => node(hashJson.nullable(), 'get_best_sidechain_block_hash'),
    bestMainchainBlock: () => node(mainHashJson.nullable(), 'get_best_mainchain_block_hash'),
    bmmInclusions: hash => node(z.array(mainHashJson), 'get_bmm_inclusions', [hash]),
    getTransaction: id => node(knownTransaction.nullable(), 'get_transaction', [id]),
    submitTransaction: signed =>
      node(txidJson, 'submit_transaction', [signedToJson(signed, network)]),
    signTransaction: transaction =>
      wallet(signedJson, 'sign_transaction', [transactionToJson(transaction, network), false]),
    getBlockTemplate: () => wallet(template, 'get_block_template', [], TEMPLATE_TIMEOUT_MS),
    connectBlock: (block, mainBlock) =>
      node(z.boolean(), 'connect_block', [blockToJson(block, network), mainBlock]),
    async invalidateBlock(hash) {
      await wallet(z.null(), 'invalidate_block', [hash])
    },
    async removeFromMempool(id) {
      await wallet(z.null(), 'remove_from_mempool', [id])
    },
    walletAddresses: () => wallet(z.array(addressJson), 'get_wallet_addresses'),
    pendingBundle: () => node(bundle.nullable(), 'pending_withdrawal_bundle'),
    lastFailedBundleHeight: () => node(height.nullable(), 'latest_failed_withdrawal_bundle_height'),
  }
}

function refusal(
  method: string,
  refused: { readonly code: number; readonly message: string; readonly data: string | null },
): Error {
  const { code, data } = refused
  const message = data === null ? refused.message : `${refused.message}: ${data}`
  if (UNCLEAR_CODES.includes(code)) return new NodeUnreachable(`${method}: ${message} (${code})`)
  return new ThunderError(code, message)
}
