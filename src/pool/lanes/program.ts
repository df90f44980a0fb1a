import {
  BLOCK_WORDS,
  compress,
  HASH_WORDS,
  SCHEDULE_WORDS,
  schedule,
  VECTOR_BYTES,
} from './sha256.ts'
import { type Code, call, get, i32, i32x4, moduleBytes, onlyWhile, set, v128 } from './wasm.ts'

/** Shares that are checked at once. */
export const LANES = 4
export const HEADER_BYTES = 80
export const HASH_BYTES = 32
/** Of a row of results: a header and its hash. */
export const ROW_BYTES = HEADER_BYTES + HASH_BYTES
/** Bytes of a message block. */
export const BLOCK_BYTES = 64
/** Words that hold the extranonces, wherever in the first of them they begin. */
export const EXTRANONCE_ROW_BYTES = 16
/** Blocks of a coinbase from the extranonces on: far more than miners take (8 KiB). */
export const TAIL_BLOCKS_MAX = 128
/** Levels of the merkle tree: a block of 4 million weight units has fewer than 2^16 transactions. */
export const BRANCHES_MAX = 24
const PAGE_BYTES = 65_536

let taken = 0
function take(vectors: number): number {
  const at = taken
  taken += vectors * VECTOR_BYTES
  return at
}

/**
 * Where things lie in memory. A word stands in four lanes, one a share, and is a big-endian word
 * of the messages (FIPS 180-4, 3.1); a row belongs to one share and is bytes as they are sent.
 *
 *     constants, initial, padding    the same for ever
 *     midstate, tail, branches, …    of the job: set when a share on another one comes
 *     extranonces, rows              of the four shares
 *     state, block, sums             while hashing
 */
export const AT = {
  constants: take(SCHEDULE_WORDS),
  initial: take(HASH_WORDS),
  /** Schedule with constants of the block that ends any message of 64 bytes. */
  padding: take(SCHEDULE_WORDS),
  state: take(HASH_WORDS),
  block: take(SCHEDULE_WORDS),
  sums: take(SCHEDULE_WORDS),
  /** The hash value after the blocks of the coinbase before the extranonces. */
  midstate: take(HASH_WORDS),
  previousBlock: take(HASH_WORDS),
  bits: take(1),
  extranonces: take(LANES),
  rows: take((LANES * ROW_BYTES) / VECTOR_BYTES),
  branches: take(BRANCHES_MAX * HASH_WORDS),
  tail: take(TAIL_BLOCKS_MAX * BLOCK_WORDS),
} as const

/** Places of the functions in the module. */
const EXPAND = 0
const COMPRESS = 1
const HASH_AGAIN = 2

/**
 * What JavaScript calls:
 *
 * - `expand()`: the block's words to the schedule with constants, in `sums`
 * - `compress(sums)`: one block into `state`
 * - `check(tailEnd, extranonces, branchesEnd)`: rows hold version, time and nonce, and get merkle
 *   root and hash. Addresses of the end of the tail, of the first word in it with bytes of an
 *   extranonce, and of the end of the branches.
 */
export function programBytes(): Uint8Array<ArrayBuffer> {
  return moduleBytes(
    [
      { name: 'expand', parameters: 0, integers: 1, vectors: 3, body: EXPAND_BODY },
      { name: 'compress', parameters: 1, integers: 1, vectors: 10, body: COMPRESS_BODY },
      { parameters: 0, integers: 0, vectors: 0, body: HASH_AGAIN_BODY },
      { name: 'check', parameters: 3, integers: 1, vectors: 1, body: CHECK_BODY },
    ],
    Math.ceil(taken / PAGE_BYTES),
  )
}

const EXPAND_BODY = schedule({
  block: AT.block,
  sums: AT.sums,
  constants: AT.constants,
  counter: 0,
  vectors: [1, 2, 3],
})

const COMPRESS_BODY = compress({
  state: AT.state,
  sums: 0,
  end: 1,
  working: [2, 3, 4, 5, 6, 7, 8, 9],
  pairs: [10, 11],
})

const zero = i32.const(0)
const word = (place: number, i: number): Code => v128.load(zero, place + i * VECTOR_BYTES)
const setWord = (place: number, i: number, value: Code): Code =>
  v128.store(zero, value, place + i * VECTOR_BYTES)
const copy = (from: number, to: number, words: number): Code =>
  Array.from({ length: words }, (_, i) => setWord(to, i, word(from, i)))
const hashBlock: Code = [call(EXPAND), call(COMPRESS, i32.const(AT.sums))]
const start: Code = copy(AT.initial, AT.state, HASH_WORDS)

/** The end of a message in its last block: a bit, zeros, and its length (FIPS 180-4, 5.1.1). */
const pad = (fromWord: number, messageBytes: number): Code =>
  Array.from({ length: BLOCK_WORDS - fromWord }, (_, i) => {
    const at = fromWord + i
    const value = at === BLOCK_WORDS - 1 ? 8 * messageBytes : at === fromWord ? 0x80000000 : 0
    return setWord(AT.block, at, i32x4.splat(i32.const(value)))
  })

/** The second hash of SHA-256d, of the 32 bytes of the first. */
const HASH_AGAIN_BODY: Code = [
  copy(AT.state, AT.block, HASH_WORDS),
  pad(HASH_WORDS, HASH_BYTES),
  start,
  hashBlock,
]

/** Parameters and variables of `check`. */
const tailEnd = 0
const extranonces = 1
const branchesEnd = 2
const address = 3
const scratch = 4

/** A word of each lane's row, most significant byte first. */
const gather = (offset: number, stride: number): Code => {
  const lanes = Array.from({ length: LANES }, (_, lane) => lane)
  const gathered = lanes.reduce<Code>(
    (vector, lane) => v128.loadLane(zero, vector, lane, offset + lane * stride),
    i32x4.splat(zero),
  )
  return i32x4.swapBytes(gathered, scratch)
}
const scatter = (vector: Code, offset: number): Code => [
  set(scratch, vector),
  Array.from({ length: LANES }, (_, lane) =>
    v128.storeLane(zero, get(scratch), lane, AT.rows + offset + lane * ROW_BYTES),
  ),
]

/** Where the fields of a header stand in it. */
export const HEADER = {
  version: 0,
  previousBlock: 4,
  merkleRoot: 36,
  time: 68,
  bits: 72,
  nonce: 76,
}

const placeExtranonces: Code = Array.from({ length: EXTRANONCE_ROW_BYTES / 4 }, (_, i) => {
  const value = gather(AT.extranonces + 4 * i, EXTRANONCE_ROW_BYTES)
  return v128.store(get(extranonces), value, i * VECTOR_BYTES)
})

const forEach = (
  { from, end, step }: { from: number; end: number; step: number },
  body: Code,
): Code => [
  set(address, i32.const(from)),
  onlyWhile(i32.isLess(get(address), get(end)), [
    body,
    set(address, i32.add(get(address), i32.const(step))),
  ]),
]

/** From where the address points. */
const copyHere = (to: number, toWord: number, words: number): Code =>
  Array.from({ length: words }, (_, i) =>
    setWord(to, toWord + i, v128.load(get(address), i * VECTOR_BYTES)),
  )

const hashCoinbase: Code = [
  copy(AT.midstate, AT.state, HASH_WORDS),
  forEach({ from: AT.tail, end: tailEnd, step: BLOCK_WORDS * VECTOR_BYTES }, [
    copyHere(AT.block, 0, BLOCK_WORDS),
    hashBlock,
  ]),
  call(HASH_AGAIN),
]

const climbBranches: Code = forEach(
  { from: AT.branches, end: branchesEnd, step: HASH_WORDS * VECTOR_BYTES },
  [
    copy(AT.state, AT.block, HASH_WORDS),
    copyHere(AT.block, HASH_WORDS, HASH_WORDS),
    start,
    hashBlock,
    call(COMPRESS, i32.const(AT.padding)),
    call(HASH_AGAIN),
  ],
)

/** The second block is 16 bytes: the root's last word, which its row has meanwhile, and three. */
const hashHeader: Code = [
  Array.from({ length: HASH_WORDS }, (_, i) =>
    scatter(i32x4.swapBytes(word(AT.state, i), scratch), HEADER.merkleRoot + 4 * i),
  ),
  setWord(AT.block, 0, gather(AT.rows + HEADER.version, ROW_BYTES)),
  copy(AT.previousBlock, AT.block + VECTOR_BYTES, HASH_WORDS),
  copy(AT.state, AT.block + (1 + HASH_WORDS) * VECTOR_BYTES, HASH_WORDS - 1),
  start,
  hashBlock,
  setWord(AT.block, 0, gather(AT.rows + HEADER.merkleRoot + HASH_BYTES - 4, ROW_BYTES)),
  setWord(AT.block, 1, gather(AT.rows + HEADER.time, ROW_BYTES)),
  setWord(AT.block, 2, word(AT.bits, 0)),
  setWord(AT.block, 3, gather(AT.rows + HEADER.nonce, ROW_BYTES)),
  pad(4, HEADER_BYTES),
  hashBlock,
  call(HASH_AGAIN),
]

/** Display order: the last word first, and stored little-endian, so its bytes are reversed too. */
const storeHash: Code = Array.from({ length: HASH_WORDS }, (_, i) =>
  scatter(word(AT.state, HASH_WORDS - 1 - i), HEADER_BYTES + 4 * i),
)

const CHECK_BODY: Code = [placeExtranonces, hashCoinbase, climbBranches, hashHeader, storeHash]
