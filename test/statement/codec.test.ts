import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { utf8 } from '../../src/lib/bytes.ts'
import {
  checkReward,
  checkWork,
  decodeReward,
  decodeWork,
  encodeReward,
  encodeWork,
  hashStatement,
} from '../../src/statement/index.ts'
import { rewardStatement, workWithShares } from './arbitrary.ts'

type Vectors = {
  readonly work: Half
  readonly reward: Half
}
type Half = {
  readonly valid: readonly {
    readonly name: string
    readonly text: string
    readonly sha256: string
  }[]
  readonly invalid: readonly {
    readonly why: string
    readonly replace: string
    readonly by: string
  }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/statement.json'), 'utf8'),
)
const formats = [
  { format: 'work', half: vectors.work, decode: decodeWork },
  { format: 'reward', half: vectors.reward, decode: decodeReward },
] as const

for (const { format, half, decode } of formats) {
  for (const { name, text, sha256 } of half.valid)
    test(`${format}: ${name} is read and has its published hash`, () => {
      expect(decode(utf8(text)).kind).toBe('statement')
      expect(hashStatement(utf8(text))).toBe(sha256)
    })

  for (const { why, replace, by } of half.invalid)
    test(`${format}: refused with ${why}`, () => {
      const text = half.valid[0]?.text ?? ''
      expect(text).toContain(replace)
      expect(decode(utf8(text.replace(replace, by))).kind).toBe('malformed')
    })
}

test('a work statement of the vectors is written back byte for byte and keeps its rules', () => {
  for (const { text } of vectors.work.valid) {
    const read = decodeWork(utf8(text))
    if (read.kind !== 'statement') throw new Error(read.reason)
    expect(encodeWork(read.statement)).toEqual(utf8(text))
    expect(checkWork(read.statement)).toEqual([])
  }
})

test('a reward statement of the vectors is written back byte for byte and keeps its rules', () => {
  for (const { text } of vectors.reward.valid) {
    const read = decodeReward(utf8(text))
    if (read.kind !== 'statement') throw new Error(read.reason)
    expect(encodeReward(read.statement)).toEqual(utf8(text))
    expect(checkReward(read.statement)).toEqual([])
  }
})

test('a work statement that is written and read is the same', () =>
  fc.assert(
    fc.property(workWithShares, ({ statement }) => {
      expect(decodeWork(encodeWork(statement))).toEqual({ kind: 'statement', statement })
    }),
  ))

test('a reward statement that is written and read is the same', () =>
  fc.assert(
    fc.property(rewardStatement, statement => {
      expect(decodeReward(encodeReward(statement))).toEqual({ kind: 'statement', statement })
    }),
  ))

test('bytes with one byte changed are refused, or are another statement', () =>
  fc.assert(
    fc.property(workWithShares, fc.nat(), fc.nat(254), ({ statement }, place, shift) => {
      const bytes = encodeWork(statement)
      const at = place % bytes.length
      bytes[at] = ((bytes[at] ?? 0) + 1 + shift) % 256
      const read = decodeWork(bytes)
      if (read.kind === 'statement') expect(encodeWork(read.statement)).toEqual(bytes)
      expect(read).not.toEqual({ kind: 'statement', statement })
    }),
  ))

const HOSTILE = [
  ['nothing', new Uint8Array()],
  ['bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
  [
    'a byte order mark',
    new Uint8Array([0xef, 0xbb, 0xbf, ...utf8(vectors.work.valid[0]?.text ?? '')]),
  ],
  ['ten thousand brackets', utf8('['.repeat(10_000) + ']'.repeat(10_000))],
  ['a list', utf8('[]')],
  ['a number', utf8('1')],
] as const

for (const [what, bytes] of HOSTILE)
  test(`${what} is malformed, not an error`, () => {
    expect(decodeWork(bytes).kind).toBe('malformed')
    expect(decodeReward(bytes).kind).toBe('malformed')
  })
