import { blake3 } from '@noble/hashes/blake3.js'
import { assert } from '../assert.ts'
import { concat, fromHex, reversed, toHex } from '../bytes.ts'
import type { BlockHash } from '../ids.ts'
import type { Sats } from '../money.ts'
import type { Authorization } from './authorization.ts'
import { u32Bytes, u64Bytes, vecBytes } from './borsh.ts'
import { type Output, outputBytes, type ThunderTransaction } from './transaction.ts'

/** A node of the forest of unspent coins, or the place of one that is empty. */
export type ForestHash = Uint8Array | 'empty' | 'placeholder'

/** Shows that a transaction's inputs are unspent; nodes make it anew whenever they need one. */
export type ForestProof = {
  readonly targets: readonly number[]
  readonly hashes: readonly ForestHash[]
}

/** What a transaction of ours is sent with: the node puts its own proof in its place. */
export const NO_PROOF: ForestProof = { targets: [], hashes: [] }

/** A transaction in a block or a mempool; neither bytes nor txid contain the proof. */
export type ProvenTransaction = ThunderTransaction & { readonly proof: ForestProof }

/** What a block of Thunder is known by; its hash is the H* that a main block commits to. */
export type Header = {
  /** 64 hex digits in the order of the bytes, as Thunder writes its own hashes. */
  readonly merkleRoot: string
  /** The same order; null in the first block. */
  readonly prevSideHash: string | null
  /** The parent of the main block that may carry this one. */
  readonly prevMainHash: BlockHash
  /** The forest's trees once this block took effect. */
  readonly roots: readonly ForestHash[]
}

/** What a block does. */
export type Body = {
  /** Where its fees go. */
  readonly coinbase: readonly Output[]
  readonly transactions: readonly ProvenTransaction[]
  /** Of all inputs of all transactions, one after the other. */
  readonly authorizations: readonly Authorization[]
}

/** A block of Thunder, connected or not. */
export type ThunderBlock = { readonly header: Header; readonly body: Body }

/** A transaction as the Merkle tree weighs it. */
export type MerkleLeaf = {
  readonly fee: Sats
  /** From `transactionBytes`. */
  readonly bytes: Uint8Array
}

const HASH_BYTES = 32
/** A transaction's size, as the tree counts it, is its length divided by this, rounded down. */
const BYTES_PER_SIZE = 8n

/** The bytes whose hash is the block's. Source: thunder-rust, types/lib.rs, in borsh. */
export function headerBytes(header: Header): Uint8Array {
  const { merkleRoot, prevSideHash, prevMainHash, roots } = header
  const side = prevSideHash === null ? [0] : [1, ...hash32(prevSideHash)]
  const forest = concat(u32Bytes(roots.length), ...roots.map(rootBytes))
  return concat(hash32(merkleRoot), Uint8Array.from(side), reversed(hash32(prevMainHash)), forest)
}

/** The block's hash, H*, in the order of its bytes: what M7 and M8 carry as they are. */
export function criticalHash(header: Header): string {
  return toHex(blake3(headerBytes(header)))
}

/**
 * The root over a block's coinbase and transactions, in the order of its bytes. It takes the
 * transactions' fees, which come from the coins that they spend: the block alone is not enough.
 *
 * Source: thunder-rust, types/transaction.rs. Vectors: test/vectors/thunder/side-blocks.json.
 */
export function thunderMerkleRoot(
  coinbase: readonly Output[],
  transactions: readonly MerkleLeaf[],
): string {
  const coinbaseRoot = blake3(vecBytes(coinbase.map(outputBytes)))
  return toHex(blake3(concat(coinbaseRoot, transactionsRoot(transactions))))
}

type Node = { readonly hash: Uint8Array; readonly fee: bigint; readonly size: bigint }

/**
 * A heap whose n leaves stand at n−1 … 2n−2, so that node i joins 2i+1 and 2i+2. Each node commits
 * to what the two below it pay and weigh together.
 */
function transactionsRoot(transactions: readonly MerkleLeaf[]): Uint8Array {
  if (transactions.length === 0) return new Uint8Array(HASH_BYTES)
  const leaves = transactions.map(({ fee, bytes }): Node => {
    const size = BigInt(bytes.length) / BYTES_PER_SIZE
    return { hash: blake3(concat(u64Bytes(fee), u64Bytes(size), bytes)), fee, size }
  })
  const heap: Node[] = [...Array.from({ length: leaves.length - 1 }, () => EMPTY), ...leaves]
  for (let i = leaves.length - 2; i >= 0; i--) heap[i] = join(heap[2 * i + 1], heap[2 * i + 2])
  return (heap[0] ?? EMPTY).hash
}

const EMPTY: Node = { hash: new Uint8Array(HASH_BYTES), fee: 0n, size: 0n }

function join(left: Node | undefined, right: Node | undefined): Node {
  assert(left !== undefined && right !== undefined, 'a node of the heap joins two')
  const [fee, size] = [left.fee + right.fee, left.size + right.size]
  const bytes = concat(left.hash, u64Bytes(fee), u64Bytes(size), right.hash)
  return { hash: blake3(bytes), fee, size }
}

function rootBytes(root: ForestHash): Uint8Array {
  assert(root !== 'placeholder', 'a placeholder is for proofs, never a root')
  return root === 'empty' ? new Uint8Array(HASH_BYTES) : root
}

function hash32(hex: string): Uint8Array {
  const bytes = fromHex(hex)
  assert(bytes.length === HASH_BYTES, 'a hash has 32 bytes')
  return bytes
}
