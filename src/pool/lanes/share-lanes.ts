import { assert } from '../../lib/assert.ts'
import { concat } from '../../lib/bytes.ts'
import { EXTRANONCE1_BYTES, EXTRANONCE2_BYTES } from '../coinbase.ts'
import type { Job } from '../job.ts'
import type { Candidate } from '../share.ts'
import { previousBlockLe } from '../share-target.ts'
import {
  AT,
  BLOCK_BYTES,
  BRANCHES_MAX,
  EXTRANONCE_ROW_BYTES,
  HEADER,
  LANES,
  programBytes,
  ROW_BYTES,
  TAIL_BLOCKS_MAX,
} from './program.ts'
import { HASH_WORDS, INITIAL_HASH, ROUND_CONSTANTS, VECTOR_BYTES } from './sha256.ts'

/** Headers with their hashes, of four shares at once. */
export type ShareLanes = {
  /**
   * @param indexes one to four of the candidates, all of them on this job
   * @param out gets the header and the hash, in display order, of each of them at its index:
   *   112 bytes a candidate
   */
  readonly hash: (
    job: Job,
    candidates: readonly Candidate[],
    indexes: readonly number[],
    out: Uint8Array,
  ) => void
}

const EXTRANONCE_BYTES = EXTRANONCE1_BYTES + EXTRANONCE2_BYTES
/** The end of a message takes a bit, which is a byte here, and a length of 64 bits. */
const PADDING_BYTES_MIN = 9

/** Null where this machine has no SIMD. */
export function createShareLanes(): ShareLanes | null {
  const program = startProgram()
  if (program === null) return null
  const { bytes, rows, check } = program
  let loaded: Loaded | null = null

  function place(candidate: Candidate, lane: number, extranonceStart: number): void {
    const { extranonce1, extranonce2, version, time, nonce } = candidate
    assert(extranonce1.length === EXTRANONCE1_BYTES, 'extranonce1 has 4 bytes')
    assert(extranonce2.length === EXTRANONCE2_BYTES, 'extranonce2 has 8 bytes')
    const row = lane * ROW_BYTES
    rows.setUint32(row + HEADER.version, version, true)
    rows.setUint32(row + HEADER.time, time, true)
    rows.setUint32(row + HEADER.nonce, nonce, true)
    const start = AT.extranonces + lane * EXTRANONCE_ROW_BYTES + extranonceStart
    bytes.set(extranonce1, start)
    bytes.set(extranonce2, start + EXTRANONCE1_BYTES)
  }

  return {
    hash(job, candidates, indexes, out) {
      if (loaded?.job !== job) {
        // Should it not fit, nothing is loaded.
        loaded = null
        loaded = loadJob(program, job)
      }
      for (const [lane, index] of indexes.entries()) {
        const candidate = candidates[index]
        assert(candidate?.job === job, 'shares that are hashed together are on one job')
        place(candidate, lane, loaded.extranonceStart)
      }
      check(loaded.tailEnd, loaded.extranoncesAt, loaded.branchesEnd)
      for (const [lane, index] of indexes.entries()) {
        const at = AT.rows + lane * ROW_BYTES
        out.set(bytes.subarray(at, at + ROW_BYTES), index * ROW_BYTES)
      }
    },
  }
}

/** The running program and its memory, seen in three ways. */
type Program = {
  readonly bytes: Uint8Array
  /** The lanes of vectors: words as they are hashed, in this machine's order. */
  readonly words: Uint32Array
  readonly rows: DataView
  readonly expand: Run
  readonly compress: Run
  readonly check: Run
}
type Run = (...addresses: number[]) => void

function startProgram(): Program | null {
  const code = programBytes()
  if (!WebAssembly.validate(code)) return null
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code))
  const { memory } = exports
  assert(memory instanceof WebAssembly.Memory, 'the program exports its memory')
  const program: Program = {
    bytes: new Uint8Array(memory.buffer),
    words: new Uint32Array(memory.buffer),
    rows: new DataView(memory.buffer, AT.rows, LANES * ROW_BYTES),
    expand: functionOf(exports, 'expand'),
    compress: functionOf(exports, 'compress'),
    check: functionOf(exports, 'check'),
  }
  setWords(program, AT.constants, ROUND_CONSTANTS)
  setWords(program, AT.initial, INITIAL_HASH)
  const endOf64Bytes = padded(new Uint8Array(BLOCK_BYTES)).subarray(BLOCK_BYTES)
  setWords(program, AT.block, wordsOf(endOf64Bytes))
  program.expand()
  copyVectors(program, { from: AT.sums, to: AT.padding, vectors: ROUND_CONSTANTS.length })
  return program
}

function functionOf(exports: WebAssembly.Instance['exports'], name: string): Run {
  const found = exports[name]
  assert(isRun(found), 'the program exports its functions')
  return found
}

function isRun(value: unknown): value is Run {
  return typeof value === 'function'
}

/** Where the parts of the job that is in memory begin and end. */
type Loaded = {
  readonly job: Job
  readonly tailEnd: number
  /** The first word with bytes of an extranonce, and where in it they begin. */
  readonly extranoncesAt: number
  readonly extranonceStart: number
  readonly branchesEnd: number
}

/** Puts all into memory that shares on one job have in common. */
function loadJob(program: Program, job: Job): Loaded {
  const { template, coinbase1, coinbase2 } = job
  const { branches } = template
  const coinbase = padded(concat(coinbase1, new Uint8Array(EXTRANONCE_BYTES), coinbase2))
  const tailStart = coinbase1.length - (coinbase1.length % BLOCK_BYTES)
  const tail = coinbase.subarray(tailStart)
  assert(branches.length <= BRANCHES_MAX, 'a merkle tree fits the program')
  assert(tail.length <= TAIL_BLOCKS_MAX * BLOCK_BYTES, 'a coinbase fits the program')
  loadMidstate(program, coinbase.subarray(0, tailStart))
  setWords(program, AT.tail, wordsOf(tail))
  for (const [i, branch] of branches.entries())
    setWords(program, AT.branches + i * HASH_WORDS * VECTOR_BYTES, wordsOf(branch))
  loadHeader(program, template)
  const firstByte = coinbase1.length % BLOCK_BYTES
  const firstWord = firstByte - (firstByte % 4)
  for (let lane = 0; lane < LANES; lane++) {
    // An extranonce may share its first and last word with bytes around it.
    const around = tail.subarray(firstWord, firstWord + EXTRANONCE_ROW_BYTES)
    program.bytes.set(around, AT.extranonces + lane * EXTRANONCE_ROW_BYTES)
  }
  return {
    job,
    tailEnd: AT.tail + (tail.length / 4) * VECTOR_BYTES,
    extranoncesAt: AT.tail + (firstWord / 4) * VECTOR_BYTES,
    extranonceStart: firstByte % 4,
    branchesEnd: AT.branches + branches.length * HASH_WORDS * VECTOR_BYTES,
  }
}

/** @param blocks whole ones */
function loadMidstate(program: Program, blocks: Uint8Array): void {
  copyVectors(program, { from: AT.initial, to: AT.state, vectors: HASH_WORDS })
  for (let i = 0; i < blocks.length; i += BLOCK_BYTES) {
    setWords(program, AT.block, wordsOf(blocks.subarray(i, i + BLOCK_BYTES)))
    program.expand()
    program.compress(AT.sums)
  }
  copyVectors(program, { from: AT.state, to: AT.midstate, vectors: HASH_WORDS })
}

/** What every header on the template has: in words to be hashed, and in the rows that go out. */
function loadHeader({ bytes, words, rows }: Program, template: Job['template']): void {
  const previous = previousBlockLe(template)
  setWords({ words }, AT.previousBlock, wordsOf(previous))
  for (let lane = 0; lane < LANES; lane++) {
    bytes.set(previous, AT.rows + lane * ROW_BYTES + HEADER.previousBlock)
    rows.setUint32(lane * ROW_BYTES + HEADER.bits, template.bits, true)
  }
  setWords({ words }, AT.bits, [rows.getUint32(HEADER.bits)])
}

/** Each word in all four lanes. */
function setWords({ words }: Pick<Program, 'words'>, at: number, values: readonly number[]): void {
  for (const [i, value] of values.entries()) {
    const first = (at + i * VECTOR_BYTES) / 4
    words.fill(value, first, first + LANES)
  }
}

function copyVectors(
  { bytes }: Program,
  { from, to, vectors }: { from: number; to: number; vectors: number },
): void {
  bytes.copyWithin(to, from, from + vectors * VECTOR_BYTES)
}

/** The message with its end: 0x80, zeros, its length in bits (FIPS 180-4, 5.1.1). */
function padded(message: Uint8Array): Uint8Array {
  const blocks = Math.ceil((message.length + PADDING_BYTES_MIN) / BLOCK_BYTES)
  const whole = new Uint8Array(blocks * BLOCK_BYTES)
  whole.set(message)
  whole[message.length] = 0x80
  new DataView(whole.buffer).setBigUint64(whole.length - 8, BigInt(message.length) * 8n)
  return whole
}

function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i))
}
