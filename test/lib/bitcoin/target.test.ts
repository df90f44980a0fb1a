import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as target from '../../../src/lib/bitcoin/target.ts'
import difficulties from '../../vectors/difficulty.json' with { type: 'json' }
import vectors from '../../vectors/target.json' with { type: 'json' }

const anyTarget = fc.bigInt({ min: 0n, max: target.TARGET_MAX })
const anyLog2 = fc.integer({ min: target.DIFFICULTY_LOG2_MIN, max: target.DIFFICULTY_LOG2_MAX })

describe('the compact target of a header', () => {
  for (const { nbits, target: hex } of vectors.valid)
    test(`nbits ${nbits} expand to their target`, () => {
      const expanded = target.targetFromNbits(Number.parseInt(nbits, 16))
      expect(expanded === null ? null : target.targetHex(expanded)).toBe(hex)
    })
  for (const { nbits, reason } of vectors.invalid)
    test(`nbits ${nbits} are no target: ${reason}`, () =>
      expect(target.targetFromNbits(Number.parseInt(nbits, 16))).toBeNull())

  test('a target of 256 bits is still one, and one bit more is not', () => {
    expect(target.targetFromNbits(0x220000ff)).toBe(0xffn << 248n)
    expect(target.targetFromNbits(0x22000100)).toBeNull()
    expect(target.targetFromNbits(0x2100ffff)).toBe(0xffffn << 240n)
    expect(target.targetFromNbits(0x21010000)).toBeNull()
  })
})

describe('a difficulty', () => {
  for (const { log2, text, target: hex } of difficulties.valid)
    test(`2^${log2} has its target, its exact text and its exact number`, () => {
      expect(target.targetHex(target.targetFromDifficultyLog2(log2))).toBe(hex)
      expect(target.difficultyText(log2)).toBe(text)
      expect(target.difficultyFromLog2(log2)).toBe(Number(text))
    })

  test('of the same number and text is the same for every power of two', () =>
    fc.assert(
      fc.property(anyLog2, k => {
        expect(Number(target.difficultyText(k))).toBe(target.difficultyFromLog2(k))
        expect(Math.log2(target.difficultyFromLog2(k))).toBe(k)
      }),
    ))

  test('is refused where it is no power of two in range', () => {
    for (const k of [0.5, Number.NaN, 209, -34])
      expect(() => target.targetFromDifficultyLog2(k)).toThrow('power of two')
  })

  test('at most a target is the hardest one that still takes every hash below it', () =>
    fc.assert(
      fc.property(anyTarget, given => {
        const k = target.difficultyLog2AtMost(given)
        expect(target.targetFromDifficultyLog2(k) >= given).toBe(true)
        if (k < target.DIFFICULTY_LOG2_MAX)
          expect(target.targetFromDifficultyLog2(k + 1) < given).toBe(true)
      }),
    ))

  test('at most its own target is itself', () =>
    fc.assert(
      fc.property(anyLog2, k => {
        expect(target.difficultyLog2AtMost(target.targetFromDifficultyLog2(k))).toBe(k)
      }),
    ))
})

test('work is the expected number of hashes, as Core counts a block proof', () => {
  expect(target.workFromTarget(0xffffn << 208n)).toBe(0x100010001n)
  expect(target.workFromTarget(0x7fffffn << 232n)).toBe(2n)
  expect(target.workFromTarget(target.TARGET_MAX)).toBe(1n)
  expect(target.workFromTarget(0n)).toBe(2n ** 256n)
})
