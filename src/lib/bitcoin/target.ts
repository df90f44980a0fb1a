import { assert } from '../assert.ts'

/** No hash is above it. */
export const TARGET_MAX = 2n ** 256n - 1n
/** The target of difficulty 1, as pools count it. */
const DIFFICULTY_1_TARGET = 0xffffn << 208n
/** Below -32 every hash meets the target, so nothing below -33 says more. */
export const DIFFICULTY_LOG2_MIN = -33
/** Above 208 the target loses its last 16 bits, far from any hash rate there can be. */
export const DIFFICULTY_LOG2_MAX = 208

/**
 * Expands the compact target of a block header.
 *
 * @param bits as in the header, host order, e.g. 0x1d00ffff
 * @returns the target, or null when it is negative or beyond 256 bits: no block can have it
 * Source: Bitcoin Core, arith_uint256::SetCompact. Vectors: test/vectors/target.json.
 */
export function targetFromNbits(bits: number): bigint | null {
  assert(isUint32(bits), 'bits are an unsigned 32-bit integer')
  const size = bits >>> 24
  const mantissa = BigInt(bits & 0x7fffff)
  const word = size <= 3 ? mantissa >> BigInt(8 * (3 - size)) : mantissa
  if (word === 0n) return 0n
  const isNegative = (bits & 0x800000) !== 0
  const target = size <= 3 ? word : word << BigInt(8 * (size - 3))
  return isNegative || target > TARGET_MAX ? null : target
}

/**
 * The target of difficulty 2^k: floor(0xffff·2^208 / 2^k), at most 2^256 − 1.
 *
 * @param difficultyLog2 k, may be negative
 */
export function targetFromDifficultyLog2(difficultyLog2: number): bigint {
  assertDifficulty(difficultyLog2)
  if (difficultyLog2 >= 0) return DIFFICULTY_1_TARGET >> BigInt(difficultyLog2)
  const target = DIFFICULTY_1_TARGET << BigInt(-difficultyLog2)
  return target > TARGET_MAX ? TARGET_MAX : target
}

/**
 * Hashes expected until one meets the target: floor(2^256 / (target + 1)).
 * Source: Bitcoin Core, GetBlockProof.
 */
export function workFromTarget(target: bigint): bigint {
  assert(target >= 0n && target <= TARGET_MAX, 'a target has 256 bits')
  return 2n ** 256n / (target + 1n)
}

/**
 * The largest k whose target is not below the given one: no share that is a block may be refused,
 * so a share's difficulty never passes that of its block.
 */
export function difficultyLog2AtMost(target: bigint): number {
  for (let k = DIFFICULTY_LOG2_MAX; k > DIFFICULTY_LOG2_MIN; k--)
    if (targetFromDifficultyLog2(k) >= target) return k
  return DIFFICULTY_LOG2_MIN
}

/** 2^k as an exact number: a double holds every power of two in our range. */
export function difficultyFromLog2(difficultyLog2: number): number {
  assertDifficulty(difficultyLog2)
  return 2 ** difficultyLog2
}

/** 2^k as an exact decimal without exponent, e.g. `0.00390625`. */
export function difficultyText(difficultyLog2: number): string {
  assertDifficulty(difficultyLog2)
  if (difficultyLog2 >= 0) return (2n ** BigInt(difficultyLog2)).toString()
  // 2^-n = 5^n / 10^n, so its decimals are the digits of 5^n.
  return `0.${(5n ** BigInt(-difficultyLog2)).toString().padStart(-difficultyLog2, '0')}`
}

/** 64 hex digits, most significant first. */
export function targetHex(target: bigint): string {
  assert(target >= 0n && target <= TARGET_MAX, 'a target has 256 bits')
  return target.toString(16).padStart(64, '0')
}

function assertDifficulty(k: number): void {
  const inRange = k >= DIFFICULTY_LOG2_MIN && k <= DIFFICULTY_LOG2_MAX
  assert(Number.isInteger(k) && inRange, 'a difficulty is a power of two in range')
}

function isUint32(n: number): boolean {
  return n >>> 0 === n
}
