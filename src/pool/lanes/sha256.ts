import { type Code, get, i32, i32x4, type Local, repeatWhile, set, v128 } from './wasm.ts'

/**
 * SHA-256 of four messages at once: each vector holds one 32-bit word of each of them. The names
 * and numbers of sections are those of FIPS 180-4.
 */

/** Initial hash value, 5.3.3: the fractions of the square roots of the first 8 primes. */
export const INITIAL_HASH: readonly number[] = primes(8).map(p => fraction(Math.sqrt(p)))
/** Constants, 4.2.2: the fractions of the cube roots of the first 64 primes. */
export const ROUND_CONSTANTS: readonly number[] = primes(64).map(p => fraction(Math.cbrt(p)))

/** Bytes of a vector, and so of one word in four lanes. */
export const VECTOR_BYTES = 16
/** Words of a message block, and of a schedule. */
export const BLOCK_WORDS = 16
export const SCHEDULE_WORDS = 64
/** Words of a hash. */
export const HASH_WORDS = 8

const ROUNDS_PER_TURN = 8

function primes(count: number): number[] {
  const found: number[] = []
  for (let n = 2; found.length < count; n++) if (found.every(p => n % p !== 0)) found.push(n)
  return found
}

/** The first 32 bits of the fraction. A double holds 53, and these roots are below 8 (3 bits). */
function fraction(x: number): number {
  return Math.floor((x % 1) * 2 ** 32)
}

const { add, shiftLeft, shiftRight } = i32x4
const { xor, and } = v128

const sum = (first: Code, ...rest: readonly Code[]): Code => rest.reduce(add, first)
/** XOR of the value rotated right by each: a rotation is two shifts whose bits do not meet. */
const rotations = (x: Local, ...by: readonly number[]): Code =>
  by
    .flatMap(n => [shiftRight(get(x), n), shiftLeft(get(x), 32 - n)])
    .reduce((all, part) => xor(all, part))

/** The functions of 4.1.2. Ch and Maj are written with fewer operations than there. */
const bigSigma0 = (x: Local) => rotations(x, 2, 13, 22)
const bigSigma1 = (x: Local) => rotations(x, 6, 11, 25)
const smallSigma0 = (x: Local) => xor(rotations(x, 7, 18), shiftRight(get(x), 3))
const smallSigma1 = (x: Local) => xor(rotations(x, 17, 19), shiftRight(get(x), 10))
const choose = (x: Local, y: Local, z: Local) => xor(get(z), and(get(x), xor(get(y), get(z))))
/** @param xy gains x ^ y, which is y ^ z for the next round. @param yz holds y ^ z */
const majority = (x: Local, y: Local, { xy, yz }: { xy: Local; yz: Local }): Code => [
  set(xy, xor(get(x), get(y))),
  xor(get(y), and(get(xy), get(yz))),
]

/**
 * The message schedule, 6.2.2 step 1, with the round constants added to it already.
 *
 * @param at `block` has 16 words, and the other 48 are put behind them; `sums` gets the 64 words
 *   with their constants added
 */
export function schedule(at: {
  readonly block: number
  readonly sums: number
  readonly constants: number
  readonly counter: Local
  readonly vectors: readonly [Local, Local, Local]
}): Code {
  const { block, sums, constants, counter } = at
  const [beforeLast, last, old] = at.vectors
  const here = get(counter)
  const word = (t: number) => v128.load(here, block + t * VECTOR_BYTES)
  const storeSum = (t: number, value: Code) => {
    const constant = v128.load(here, constants + t * VECTOR_BYTES)
    return v128.store(here, add(value, constant), sums + t * VECTOR_BYTES)
  }
  // The two words before are kept in variables, so that none waits for its way through memory.
  const next = (t: number, twoBefore: Local): Code => [
    set(old, word(t - 15)),
    set(twoBefore, sum(smallSigma1(twoBefore), word(t - 7), smallSigma0(old), word(t - 16))),
    v128.store(here, get(twoBefore), block + t * VECTOR_BYTES),
    storeSum(t, get(twoBefore)),
  ]
  return [
    set(counter, i32.const(0)),
    Array.from({ length: BLOCK_WORDS }, (_, t) => storeSum(t, word(t))),
    set(beforeLast, word(BLOCK_WORDS - 2)),
    set(last, word(BLOCK_WORDS - 1)),
    repeatWhile(i32.isLess(here, i32.const((SCHEDULE_WORDS - BLOCK_WORDS) * VECTOR_BYTES)), [
      next(BLOCK_WORDS, beforeLast),
      next(BLOCK_WORDS + 1, last),
      set(counter, i32.add(here, i32.const(2 * VECTOR_BYTES))),
    ]),
  ]
}

type Working = readonly [Local, Local, Local, Local, Local, Local, Local, Local]

/**
 * The compression, 6.2.2 steps 2 to 4: eight rounds a turn, after which each variable has its
 * first name again, so that none is ever moved.
 *
 * @param at `state` is the hash value, replaced by the next one; `sums` holds the address of the
 *   schedule and is used up
 */
export function compress(at: {
  readonly state: number
  readonly sums: Local
  readonly end: Local
  readonly working: Working
  readonly pairs: readonly [Local, Local]
}): Code {
  const { state, sums, end, working } = at
  const rounds: Code[] = []
  let [a, b, c, d, e, f, g, h] = working
  let [yz, xy] = at.pairs
  for (let t = 0; t < ROUNDS_PER_TURN; t++) {
    const scheduled = v128.load(get(sums), t * VECTOR_BYTES)
    rounds.push([
      set(h, sum(get(h), scheduled, choose(e, f, g), bigSigma1(e))),
      set(d, add(get(d), get(h))),
      set(h, sum(get(h), bigSigma0(a), majority(a, b, { xy, yz }))),
    ])
    ;[a, b, c, d, e, f, g, h] = [h, a, b, c, d, e, f, g]
    ;[yz, xy] = [xy, yz]
  }
  const stored = (i: number) => v128.load(i32.const(0), state + i * VECTOR_BYTES)
  return [
    working.map((local, i) => set(local, stored(i))),
    set(yz, xor(get(b), get(c))),
    set(end, i32.add(get(sums), i32.const(SCHEDULE_WORDS * VECTOR_BYTES))),
    repeatWhile(i32.isLess(get(sums), get(end)), [
      rounds,
      set(sums, i32.add(get(sums), i32.const(ROUNDS_PER_TURN * VECTOR_BYTES))),
    ]),
    working.map((local, i) =>
      v128.store(i32.const(0), add(get(local), stored(i)), state + i * VECTOR_BYTES),
    ),
  ]
}
