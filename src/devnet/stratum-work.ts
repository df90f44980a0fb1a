import { z } from 'zod'
import { concat, fromHex } from '../lib/bytes.ts'

/** Enough for more transactions than a block can hold; a job with more branches is refused. */
const BRANCHES_MAX = 32
/** Hex digits of either half of a coinbase; the whole transaction is far below a block's size. */
const COINBASE_HEX_MAX = 200_000
const DIFFICULTY_1_TARGET = 0xffffn << 208n
const TARGET_MAX = 2n ** 256n - 1n

const hex = (length: number) => z.string().regex(new RegExp(`^[0-9a-fA-F]{${length}}$`))
const uint32Hex = hex(8).transform(text => Number.parseInt(text, 16))
const bytesHex = z
  .string()
  .max(COINBASE_HEX_MAX)
  .regex(/^([0-9a-fA-F]{2})*$/)
  .transform(text => fromHex(text.toLowerCase()))

/** The parameters of `mining.notify`. */
const notifyParams = z
  .tuple([
    z.string().max(100),
    hex(64).transform(text => fromHex(text.toLowerCase())),
    bytesHex,
    bytesHex,
    z.array(hex(64).transform(text => fromHex(text.toLowerCase()))).max(BRANCHES_MAX),
    uint32Hex,
    uint32Hex,
    uint32Hex,
    z.boolean(),
  ])
  .transform(
    ([jobId, previousBlock, coinbase1, coinbase2, branches, version, bits, time, clean]) => ({
      jobId,
      /** 32 bytes with each word of four reversed, as Stratum writes a hash. */
      previousBlock,
      coinbase1,
      coinbase2,
      /** 32 bytes each, internal order. */
      branches,
      version,
      bits,
      time,
      clean,
    }),
  )

/** A job as a miner gets it; its 32-bit integers are unsigned. */
export type Work = z.infer<typeof notifyParams>

/**
 * What a job means to a miner. It is written apart from the pool's own code, so that a mistake
 * there is met by a miner that does not share it.
 *
 * @returns null when the parameters are not those of a job
 * Source: Stratum V1, `mining.notify`.
 */
export function parseNotify(params: unknown): Work | null {
  return notifyParams.safeParse(params).data ?? null
}

/** What a miner chooses about a job. */
export type Choice = {
  readonly extranonce1: Uint8Array
  readonly extranonce2: Uint8Array
  readonly version: number
  readonly time: number
  readonly nonce: number
}

/**
 * The 80 bytes to hash for a job and a choice.
 *
 * @param hash SHA-256 twice, internal order
 * Vectors: blocks 1 and 170 of the main chain, in test/devnet/stratum-work.test.ts.
 */
export function headerFor(
  work: Work,
  choice: Choice,
  hash: (bytes: Uint8Array) => Uint8Array,
): Uint8Array {
  const { coinbase1, coinbase2, branches, previousBlock } = work
  const coinbase = concat(coinbase1, choice.extranonce1, choice.extranonce2, coinbase2)
  const root = branches.reduce((node, branch) => hash(concat(node, branch)), hash(coinbase))
  const header = new Uint8Array(80)
  const view = new DataView(header.buffer)
  view.setUint32(0, choice.version, true)
  for (let at = 0; at < 32; at += 4) header.set(previousBlock.slice(at, at + 4).reverse(), 4 + at)
  header.set(root, 36)
  view.setUint32(68, choice.time, true)
  view.setUint32(72, work.bits, true)
  view.setUint32(76, choice.nonce, true)
  return header
}

/**
 * The target of a difficulty as `mining.set_difficulty` gives it: floor(0xffff·2^208 / d), exactly,
 * and at most 2^256 − 1. A hash meets it when hash <= target.
 *
 * @param difficulty positive and finite; every double is a whole number over a power of two
 */
export function targetFromDifficulty(difficulty: number): bigint {
  let [whole, halvings] = [difficulty, 0n]
  // A double has no more than 1074 binary places, so this ends.
  while (!Number.isInteger(whole)) {
    whole *= 2
    halvings += 1n
  }
  const target = (DIFFICULTY_1_TARGET << halvings) / BigInt(whole)
  return target > TARGET_MAX ? TARGET_MAX : target
}

/** The counter's low bits, spread over the set bits of the mask from the lowest up. */
export function spreadOver(mask: number, counter: number): number {
  let [bits, left] = [0, counter]
  for (let place = 0; place < 32; place++) {
    if (((mask >>> place) & 1) === 0) continue
    if (left & 1) bits |= 1 << place
    left >>>= 1
  }
  return bits >>> 0
}
