import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { blockHash, jobId } from '../../src/lib/ids.ts'
import { createDuplicates } from '../../src/pool/duplicates.ts'
import { type Job, jobFrom } from '../../src/pool/job.ts'
import { INITIAL_HASH, ROUND_CONSTANTS } from '../../src/pool/lanes/sha256.ts'
import { createShareLanes } from '../../src/pool/lanes/share-lanes.ts'
import {
  type Candidate,
  createShareCheck,
  hashInLanes,
  hashOneByOne,
} from '../../src/pool/share.ts'
import blocks from '../vectors/block-headers.json' with { type: 'json' }
import { NOW, templateOf } from './stratum/fixtures.ts'

const lanes = createShareLanes()
const hashAll = hashInLanes(lanes)
const ROW = 112

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const any32 = fc.integer({ min: 0, max: 0xffffffff })

const jobWith = (
  coinbase1: Uint8Array,
  coinbase2: Uint8Array,
  branches: readonly Uint8Array[] = [],
): Job =>
  jobFrom({
    ...{ id: jobId(1n), templateId: 1n, template: templateOf({ branches }) },
    ...{ coinbase1, coinbase2, cleanJobs: true, createdAt: NOW },
  })

const choices = fc.record({
  extranonce1: bytes(4),
  extranonce2: bytes(8),
  time: any32,
  nonce: any32,
  version: any32,
})
const rest = { difficultyLog2: -32, refusal: null }

const rowsOf = (hash: typeof hashAll, candidates: readonly Candidate[]) => {
  const rows = new Uint8Array(candidates.length * ROW)
  hash(candidates, rows)
  return candidates.map((_, i) => toHex(rows.subarray(i * ROW, (i + 1) * ROW)))
}

test('this machine has lanes', () => {
  expect(lanes).not.toBeNull()
})

test('the constants of SHA-256 are those of the standard', () => {
  const hex = (n: number | undefined) => n?.toString(16)
  expect(INITIAL_HASH.map(hex).join()).toBe(
    '6a09e667,bb67ae85,3c6ef372,a54ff53a,510e527f,9b05688c,1f83d9ab,5be0cd19',
  )
  expect([0, 1, 31, 62, 63].map(i => hex(ROUND_CONSTANTS[i])).join()).toBe(
    '428a2f98,71374491,14292967,bef9a3f7,c67178f2',
  )
})

test('four at once give the rows of one at a time, for any coinbase, branches and mix of jobs', () => {
  const jobs = fc.array(
    fc.record({
      coinbase1: fc.uint8Array({ maxLength: 200 }),
      coinbase2: fc.uint8Array({ maxLength: 600 }),
      branches: fc.array(bytes(32), { maxLength: 14 }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  const shares = fc.array(fc.tuple(choices, fc.nat()), { minLength: 1, maxLength: 11 })
  fc.assert(
    fc.property(jobs, shares, (parts, picks) => {
      const all = parts.map(part => jobWith(part.coinbase1, part.coinbase2, part.branches))
      const candidates = picks.flatMap(([choice, pick]) => {
        const job = all[pick % all.length]
        return job ? [{ job, ...choice, ...rest }] : []
      })
      expect(rowsOf(hashAll, candidates)).toEqual(rowsOf(hashOneByOne, candidates))
    }),
  )
})

describe('a coinbase', () => {
  const candidatesOf = (job: Job): Candidate[] =>
    [1, 2, 3, 4, 5].map(n => ({
      ...{ job, extranonce1: new Uint8Array(4).fill(n), extranonce2: new Uint8Array(8).fill(n) },
      ...{ time: n, nonce: n, version: n, ...rest },
    }))

  test('of every length around the ends of blocks is hashed as node:crypto does', () => {
    const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest()
    for (const first of [0, 1, 2, 3, 4, 41, 51, 52, 53, 54, 60, 61, 62, 63, 64, 65, 127, 128, 129])
      for (let second = 0; second <= 130; second++) {
        const coinbase1 = new Uint8Array(first).fill(0xa1)
        const coinbase2 = new Uint8Array(second).fill(0xb2)
        const candidates = candidatesOf(jobWith(coinbase1, coinbase2))
        const rows = rowsOf(hashAll, candidates)
        for (const [i, { extranonce1, extranonce2 }] of candidates.entries()) {
          const coinbase = Buffer.concat([coinbase1, extranonce1, extranonce2, coinbase2])
          const header = Buffer.from(rows[i]?.slice(0, 160) ?? '', 'hex')
          const root = toHex(sha256(sha256(coinbase)))
          if (toHex(header.subarray(36, 68)) !== root)
            expect.fail(`the root of a coinbase of ${first} + 12 + ${second} bytes is wrong`)
          const hash = toHex(sha256(sha256(header)).reverse())
          if (rows[i]?.slice(160) !== hash) expect.fail('the hash of a header is wrong')
        }
      }
  })
  test('beyond what the program holds is refused, and breaks no other share', () => {
    const good = candidatesOf(jobWith(new Uint8Array(10), new Uint8Array(90)))
    const rows = rowsOf(hashAll, good)
    for (const job of [
      jobWith(new Uint8Array(70), new Uint8Array(9000)),
      jobWith(new Uint8Array(70), new Uint8Array(9), Array(25).fill(new Uint8Array(32))),
    ]) {
      expect(() => rowsOf(hashAll, candidatesOf(job))).toThrow(/fits the program/)
      expect(rowsOf(hashAll, good)).toEqual(rows)
    }
    expect(rows).toEqual(rowsOf(hashOneByOne, good))
  })
})

for (const each of blocks.valid)
  test(`block ${each.height} of the chain has its hash in every lane, whatever is beside it`, () => {
    const coinbase = fromHex(each.coinbase)
    const template = templateOf({
      previousBlock: blockHash(each.previousBlock),
      bits: Number.parseInt(each.bits, 16),
      branches: each.branches.map(fromHex),
      target: 0xffffn << 208n,
    })
    for (const cut of [0, 1, 2, 3, 42, 51, 52, 61]) {
      const job = jobFrom({
        ...{ id: jobId(1n), templateId: 1n, template, cleanJobs: true, createdAt: NOW },
        ...{ coinbase1: coinbase.slice(0, cut), coinbase2: coinbase.slice(cut + 12) },
      })
      const block: Candidate = {
        job,
        extranonce1: coinbase.slice(cut, cut + 4),
        extranonce2: coinbase.slice(cut + 4, cut + 12),
        time: each.time,
        nonce: each.nonce,
        version: each.version,
        difficultyLog2: 0,
        refusal: null,
      }
      const others = [1, 2, 3].map(n => ({ ...block, nonce: each.nonce - n }))
      for (let lane = 0; lane < 4; lane++) {
        const check = createShareCheck(createDuplicates())
        const verdict = check([...others.slice(0, lane), block, ...others.slice(lane)])[lane]
        expect(verdict).toMatchObject({ kind: 'accepted', proof: { isBlock: true } })
        expect(toHex(verdict?.proof.hash ?? new Uint8Array())).toBe(each.hash)
      }
    }
  })

test('a hash equal to the target meets it, and one above does not', () => {
  const [block] = blocks.valid
  if (!block) throw new Error('there is a block')
  const coinbase = fromHex(block.coinbase)
  const hash = BigInt(`0x${block.hash}`)
  for (const [target, isBlock] of [
    [hash, true],
    [hash - 1n, false],
    [hash + 1n, true],
    [0n, false],
    [2n ** 256n - 1n, true],
  ] as const) {
    const template = templateOf({
      ...{ previousBlock: blockHash(block.previousBlock), target },
      ...{ bits: Number.parseInt(block.bits, 16), branches: [] },
    })
    const job = jobFrom({
      ...{ id: jobId(1n), templateId: 1n, template, cleanJobs: true, createdAt: NOW },
      ...{ coinbase1: coinbase.slice(0, 50), coinbase2: coinbase.slice(62) },
    })
    const { time, nonce, version } = block
    const extranonces = { extranonce1: coinbase.slice(50, 54), extranonce2: coinbase.slice(54, 62) }
    const candidate = { job, ...extranonces, time, nonce, version, ...rest }
    const [verdict] = createShareCheck(createDuplicates())([candidate])
    expect(verdict?.proof.isBlock).toBe(isBlock)
  }
})
