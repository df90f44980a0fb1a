import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { targetFromDifficultyLog2 } from '../../src/lib/bitcoin/target.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { createDuplicates } from '../../src/pool/duplicates.ts'
import { headerOf } from '../../src/pool/job.ts'
import { type Candidate, createShareCheck } from '../../src/pool/share.ts'
import { isAtMost, log2AtLeastAsHard, shareTarget } from '../../src/pool/share-target.ts'
import { ALL_BLOCKS, jobOf, templateOf } from './stratum/fixtures.ts'

const candidateOf = (changes: Partial<Candidate> = {}): Candidate => ({
  job: jobOf(1n),
  extranonce1: Uint8Array.of(0, 1, 0, 2),
  extranonce2: new Uint8Array(8),
  time: 1_700_000_000,
  nonce: 0,
  version: 0x20000000,
  difficultyLog2: -32,
  refusal: null,
  ...changes,
})

test('the header of a share is the one that its block is built with', () => {
  const check = createShareCheck(createDuplicates())
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const any32 = fc.integer({ min: 0, max: 0xffffffff })
  fc.assert(
    fc.property(
      fc.array(bytes(32), { maxLength: 14 }),
      fc.record({
        extranonce1: bytes(4),
        extranonce2: bytes(8),
        time: any32,
        nonce: any32,
        version: any32,
      }),
      (branches, choice) => {
        const job = jobOf(1n, templateOf({ branches }))
        const [verdict] = check([candidateOf({ job, ...choice })])
        const header = headerOf(job, choice)
        expect(toHex(verdict?.proof.header ?? new Uint8Array())).toBe(toHex(header))
        expect(toHex(verdict?.proof.hash ?? new Uint8Array())).toBe(headerHash(header))
      },
    ),
  )
})

describe('a verdict', () => {
  test('credits the enforced difficulty exactly when the hash meets its target', () => {
    const candidates = Array.from({ length: 400 }, (_, nonce) =>
      candidateOf({ nonce, difficultyLog2: -28 }),
    )
    const verdicts = createShareCheck(createDuplicates())(candidates)
    const target = targetFromDifficultyLog2(-28)
    for (const { kind, proof } of verdicts) {
      const meets = BigInt(`0x${toHex(proof.hash)}`) <= target
      expect(kind).toBe(meets ? 'accepted' : 'rejected')
    }
    expect(verdicts.some(({ kind }) => kind === 'accepted')).toBe(true)
    expect(verdicts.some(({ kind }) => kind === 'rejected')).toBe(true)
  })
  test('within one batch the second of two equal shares is the duplicate', () => {
    const check = createShareCheck(createDuplicates())
    const verdicts = check([candidateOf(), candidateOf()])
    expect(verdicts.map(({ kind }) => kind)).toEqual(['accepted', 'rejected'])
    expect(verdicts[1]).toMatchObject({ refusal: 'duplicate' })
  })
  test('says that it is a block whatever is wrong', () => {
    const check = createShareCheck(createDuplicates())
    const job = jobOf(1n, templateOf({ target: ALL_BLOCKS }))
    for (const refusal of ['stale', 'unauthorized', 'bad-time', 'bad-version'] as const) {
      const [verdict] = check([candidateOf({ job, refusal })])
      expect(verdict).toMatchObject({ kind: 'rejected', refusal, proof: { isBlock: true } })
    }
  })
})

test('bytes are compared as the numbers they stand for', () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(isAtMost(a, b)).toBe(BigInt(`0x${toHex(a)}`) <= BigInt(`0x${toHex(b)}`))
      expect(isAtMost(a, a)).toBe(true)
    }),
  )
})

test('a suggested target gives the easiest difficulty that is as hard', () => {
  fc.assert(
    fc.property(fc.integer({ min: -31, max: 63 }), log2 => {
      const target = BigInt(`0x${toHex(shareTarget(log2))}`)
      expect(log2AtLeastAsHard(target)).toBe(log2)
      expect(log2AtLeastAsHard(target - 1n)).toBe(log2 + 1)
    }),
  )
  expect(log2AtLeastAsHard(BigInt(`0x${toHex(fromHex('00'.repeat(32)))}`))).toBe(64)
})
