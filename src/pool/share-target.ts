import { difficultyLog2AtMost, targetFromDifficultyLog2, targetHex } from '../lib/bitcoin/target.ts'
import { fromHex, reversed } from '../lib/bytes.ts'
import type { TemplateFacts } from './template.ts'
import { DIFFICULTY_LOG2_MAX, DIFFICULTY_LOG2_MIN } from './vardiff.ts'

/** What the hot path needs of a template, worked out once a template. */
type Facts = {
  readonly blockTarget: Uint8Array
  readonly capLog2: number
  readonly previousBlockLe: Uint8Array
}

// Both only remember what follows from their keys. The first has one entry a difficulty, the
// second lives and dies with the templates.
const shareTargets = new Map<number, Uint8Array>()
const templateFacts = new WeakMap<TemplateFacts, Facts>()

/** 32 bytes, most significant first, like a hash in display order: the share's hash is at most this. */
export function shareTarget(difficultyLog2: number): Uint8Array {
  const known = shareTargets.get(difficultyLog2)
  if (known) return known
  const target = bytes32(targetFromDifficultyLog2(difficultyLog2))
  shareTargets.set(difficultyLog2, target)
  return target
}

/** 32 bytes, most significant first: a block's hash is at most this. */
export function blockTarget(template: TemplateFacts): Uint8Array {
  return factsOf(template).blockTarget
}

/** The hardest difficulty that is still no harder than the block target. */
export function difficultyCapLog2(template: TemplateFacts): number {
  return factsOf(template).capLog2
}

/** The previous block's hash as it stands in the header. */
export function previousBlockLe(template: TemplateFacts): Uint8Array {
  return factsOf(template).previousBlockLe
}

/**
 * The smallest exponent whose target is at most the given one, for `mining.suggest_target`.
 *
 * @param target as sent; zero gives the largest exponent there is
 */
export function log2AtLeastAsHard(target: bigint): number {
  let log2 = DIFFICULTY_LOG2_MIN
  while (log2 < DIFFICULTY_LOG2_MAX && targetFromDifficultyLog2(log2) > target) log2++
  return log2
}

/** Compares as numbers: byte arrays of 32, most significant first. */
export function isAtMost(hash: Uint8Array, target: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) {
    const difference = (hash[i] ?? 0) - (target[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return true
}

function factsOf(template: TemplateFacts): Facts {
  const known = templateFacts.get(template)
  if (known) return known
  const facts: Facts = {
    blockTarget: bytes32(template.target),
    capLog2: difficultyLog2AtMost(template.target),
    previousBlockLe: reversed(fromHex(template.previousBlock)),
  }
  templateFacts.set(template, facts)
  return facts
}

function bytes32(value: bigint): Uint8Array {
  return fromHex(targetHex(value))
}
