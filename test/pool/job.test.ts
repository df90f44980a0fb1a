import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { coinbaseOfBlock, packTransactions } from '../../src/lib/bitcoin/tx.ts'
import { equalBytes, fromHex, toHex } from '../../src/lib/bytes.ts'
import { blockHash, jobId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import * as job from '../../src/pool/job.ts'
import {
  createJobMaker,
  createLiveJobs,
  JOB_RETENTION_MS,
  JOBS_MAX,
} from '../../src/pool/live-jobs.ts'
import type { Work } from '../../src/pool/template.ts'
import vectors from '../vectors/notify.json' with { type: 'json' }

const NOW = unixMs(1_700_000_000_000)
const template: Work = {
  height: 100,
  previousBlock: blockHash('ab'.repeat(32)),
  version: 0x20000000,
  bits: 0x207fffff,
  target: 0x7fffffn << 232n,
  minTime: 1_700_000_000,
  curTime: 1_699_999_999,
  value: sats(5_000_000_000n),
  subsidy: sats(5_000_000_000n),
  branches: [],
  witnessCommitment: null,
  commitments: [],
  blockTransactions: packTransactions([]),
}
const onBlock = (byte: string): Work => ({
  ...template,
  previousBlock: blockHash(byte.repeat(32)),
})
const maker = (run = 1n) => createJobMaker({ run, tag: '/test/', payScript: Uint8Array.of(0x51) })
const later = (ms: number) => unixMs(NOW + ms)

describe('a job of a published block', () => {
  for (const each of vectors.valid) {
    const int = (hex: string) => Number.parseInt(hex, 16)
    const facts: Work = {
      ...template,
      height: each.block,
      previousBlock: blockHash(each.previousBlock),
      version: int(each.version),
      bits: int(each.bits),
      minTime: 0,
      curTime: int(each.time),
      branches: each.branches.map(fromHex),
      commitments: [],
      blockTransactions: packTransactions(each.branches.map(() => Uint8Array.of(0xff))),
    }
    const base = { templateId: 1n, template: facts, cleanJobs: true, createdAt: NOW }

    test(`${each.block} is notified in the byte orders of the wire`, () => {
      const halves = { coinbase1: fromHex(each.coinbase1), coinbase2: fromHex(each.coinbase2) }
      const params = job.notifyParams(job.jobFrom({ ...base, ...halves, id: jobId(0xbfn) }))
      expect(params).toEqual([
        'bf',
        each.stratumPreviousBlock,
        each.coinbase1,
        each.coinbase2,
        each.branches,
        each.version,
        each.bits,
        each.time,
        true,
      ])
    })

    test(`${each.block} gives its hash and its bytes`, () => {
      // Those coinbases had no room for our 12 bytes, so the same bytes are cut elsewhere.
      const { coinbase1, extranonce1, extranonce2, coinbase2 } = each
      const coinbase = fromHex(coinbase1 + extranonce1 + extranonce2 + coinbase2)
      const cut = coinbase1.length / 2 - 10
      const halves = { coinbase1: coinbase.slice(0, cut), coinbase2: coinbase.slice(cut + 12) }
      const its = job.jobFrom({ ...base, ...halves, id: jobId(1n) })
      const choice = {
        extranonce1: coinbase.slice(cut, cut + 4),
        extranonce2: coinbase.slice(cut + 4, cut + 12),
        time: int(each.time),
        nonce: int(each.nonce),
        version: int(each.version),
      }
      const header = job.headerOf(its, choice)
      expect(headerHash(header)).toBe(each.hash)
      const block = job.assembleBlock(its, choice)
      const tail = each.branches.map(() => 'ff').join('')
      const count = `0${each.branches.length + 1}`
      expect(toHex(block)).toBe(toHex(header) + count + toHex(coinbase) + tail)
    })
  }
})

describe('a job', () => {
  test('has one spelling of its id, that of its run and counter', () => {
    const made = maker()(template, NOW)
    expect(made.id).toBe((1n << 24n) | 1n)
    expect(made.wireId).toBe('1000001')
    expect(job.numberInRun(2n, 5)).toBe(33_554_437n)
    expect(() => job.numberInRun(1n, 2 ** 24)).toThrow('24 bits')
  })

  test('differs from the job before even on the same template', () => {
    const make = maker()
    const [first, second] = [make(template, NOW), make(template, NOW)]
    expect(equalBytes(first.coinbase1, second.coinbase1)).toBe(false)
    expect([first.cleanJobs, second.cleanJobs]).toEqual([true, false])
    expect(make(onBlock('cd'), NOW).cleanJobs).toBe(true)
  })

  test('of another run differs too, so a restart repeats no work', () => {
    const other = createJobMaker({ run: 2n, tag: '/test/', payScript: Uint8Array.of(0x51) })
    const [first, second] = [maker()(template, NOW), other(template, NOW)]
    expect(equalBytes(first.coinbase1, second.coinbase1)).toBe(false)
  })

  test('never goes out with a time that the chain refuses', () =>
    expect(job.notifyParams(maker()(template, NOW))[7]).toBe((1_700_000_000).toString(16)))

  test('lets only bits be rolled that its version leaves unset', () => {
    expect(job.versionMask(0x20000000)).toBe(0x1fffe000)
    expect(job.versionMask(0x20800000)).toBe(0x1f7fe000)
    expect(job.versionMask(0xffffffff)).toBe(0)
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.nat(0xffffffff),
        (version, rolled) => {
          const mask = job.versionMask(version)
          const bits = (rolled & mask) >>> 0
          const replaced = ((version & ~mask) | bits) >>> 0
          expect((version | bits) >>> 0).toBe(replaced)
          expect((version ^ bits) >>> 0).toBe(replaced)
        },
      ),
    )
  })

  test('gives its block a coinbase with witness only where it commits to witnesses', () => {
    const choice = {
      extranonce1: new Uint8Array(4),
      extranonce2: new Uint8Array(8),
      time: 1,
      nonce: 2,
      version: 3,
    }
    const bare = maker()(template, NOW)
    const witnessCommitment = fromHex(`6a24aa21a9ed${'00'.repeat(32)}`)
    const committed = maker()({ ...template, witnessCommitment }, NOW)
    const marker = (each: job.Job) => coinbaseOfBlock(job.assembleBlock(each, choice))?.[4]
    expect([marker(bare), marker(committed)]).toEqual([1, 0])
    expect(job.headerOf(bare, choice).subarray(0, 4)).toEqual(Uint8Array.of(3, 0, 0, 0))
  })
})

describe('live jobs', () => {
  test('are stale, not gone, when the previous block changes', () => {
    const [jobs, make] = [createLiveJobs(), maker()]
    const [old, refreshed] = [make(template, NOW), make(template, NOW)]
    jobs.add(old, NOW)
    jobs.add(refreshed, later(30_000))
    expect(jobs.find(old.wireId, later(40_000))).toEqual({ kind: 'live', job: old })
    jobs.add(make(onBlock('cd'), NOW), later(50_000))
    expect(jobs.find(old.wireId, later(50_000))).toEqual({ kind: 'stale', job: old })
    expect(jobs.find(refreshed.wireId, later(50_000))).toEqual({ kind: 'stale', job: refreshed })
  })

  test('are unknown when they were replaced too long ago', () => {
    const [jobs, make] = [createLiveJobs(), maker()]
    const old = make(template, NOW)
    jobs.add(old, NOW)
    expect(jobs.find(old.wireId, later(10 * JOB_RETENTION_MS)).kind).toBe('live')
    jobs.add(make(onBlock('cd'), NOW), later(1000))
    expect(jobs.find(old.wireId, later(1000 + JOB_RETENTION_MS)).kind).toBe('stale')
    expect(jobs.find(old.wireId, later(1001 + JOB_RETENTION_MS)).kind).toBe('unknown')
    expect(jobs.all(later(1001 + JOB_RETENTION_MS))).toHaveLength(1)
  })

  test('are live again when a reorganisation brings their block back', () => {
    const [jobs, make] = [createLiveJobs(), maker()]
    const old = make(template, NOW)
    jobs.add(old, NOW)
    jobs.add(make(onBlock('cd'), NOW), NOW)
    jobs.add(make(template, NOW), NOW)
    expect(jobs.find(old.wireId, NOW).kind).toBe('live')
  })

  test(`are never more than ${JOBS_MAX}: the oldest goes`, () => {
    const [jobs, make] = [createLiveJobs(), maker()]
    const made = Array.from({ length: JOBS_MAX + 1 }, () => make(template, NOW))
    for (const each of made) jobs.add(each, NOW)
    expect(jobs.all(NOW)).toEqual(made.slice(1))
    expect(jobs.find(made[0]?.wireId ?? '', NOW)).toEqual({ kind: 'unknown' })
    expect(jobs.current()).toBe(made.at(-1))
  })

  test('of another process are judged like our own, replace none, and go first', () => {
    const jobs = createLiveJobs()
    const [ours, theirs] = [maker(), maker(8n)]
    const [late, stale] = [theirs(template, NOW), theirs(onBlock('cd'), NOW)]
    const own = ours(template, NOW)
    jobs.add(own, NOW)
    jobs.learn([late, stale])
    jobs.learn([late])
    expect(jobs.current()).toBe(own)
    expect(jobs.find(late.wireId, NOW)).toEqual({ kind: 'live', job: late })
    expect(jobs.find(stale.wireId, NOW)).toEqual({ kind: 'stale', job: stale })
    expect(jobs.all(NOW)).toEqual([late, stale, own])
    expect(jobs.find(late.wireId, later(JOB_RETENTION_MS + 1)).kind).toBe('unknown')
    const more = Array.from({ length: JOBS_MAX - 2 }, () => ours(template, NOW))
    for (const each of more) jobs.add(each, NOW)
    expect(jobs.all(NOW)).toEqual([stale, own, ...more])
    jobs.learn([late])
    expect(jobs.all(NOW)).toEqual([stale, own, ...more])
  })

  test('take no job twice, and know no other spelling of an id', () => {
    const jobs = createLiveJobs()
    const only = maker()(template, NOW)
    jobs.add(only, NOW)
    expect(() => jobs.add(only, NOW)).toThrow('same id')
    for (const spelling of [`0${only.wireId}`, only.wireId.concat(' '), ''])
      expect(jobs.find(spelling, NOW).kind).toBe('unknown')
  })
})
