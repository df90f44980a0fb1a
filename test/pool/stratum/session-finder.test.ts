import { describe, expect, test } from 'vitest'
import { parseCoinbase } from '../../../src/lib/bitcoin/tx.ts'
import { concat, fromHex } from '../../../src/lib/bytes.ts'
import { accountId } from '../../../src/lib/ids.ts'
import { createDuplicates } from '../../../src/pool/duplicates.ts'
import type { FinderTerms } from '../../../src/pool/finder-coinbase.ts'
import { createShareCheck, hashOneByOne } from '../../../src/pool/share.ts'
import type { Effect } from '../../../src/pool/stratum/session-state.ts'
import {
  ALL_BLOCKS,
  codeOf,
  jobOf,
  kinds,
  LEASE,
  sent,
  submitLine,
  type Talk,
  talk,
  templateOf,
  through,
  WORKER,
} from './fixtures.ts'

/** A port whose coinbases pay their finder: nothing to work on before it is known who that is. */
const TERMS: FinderTerms = { script: fromHex(`0014${'99'.repeat(20)}`), feeBasisPoints: 200 }
const finderPort = (options: Parameters<typeof talk>[0] = {}) =>
  talk({ coinbasePays: 'finder', ...options })

const methods = (effects: readonly Effect[]) => sent(effects).map(line => line['method'] ?? 'reply')

/** What the coinbase of the last job that went out pays, and to whom. */
function paidBy(effects: readonly Effect[]) {
  const job = effects.flatMap(each =>
    each.kind === 'send' && each.reply.kind === 'notify' ? [each.reply.job] : [],
  )[0]
  if (!job) return null
  const raw = concat(job.coinbase1, new Uint8Array(12), job.coinbase2)
  return parseCoinbase(raw)?.outputs.map(({ value, script }) => [value, script])
}

function subscribe(it: Talk, lease = LEASE) {
  it.say({ id: 1, method: 'mining.subscribe', params: ['test/1'] })
  return it.feed({ kind: 'opened', lease })
}

function authorize(it: Talk, finder: FinderTerms | null = TERMS, username = 'w') {
  it.say({ id: 2, method: 'mining.authorize', params: [username, 'x'] })
  const answer = { kind: 'authorized', worker: WORKER, finder } as const
  return it.feed({ kind: 'authorize answered', requestId: 2, username, wishLog2: null, answer })
}

describe('a session on a port that pays finders', () => {
  test('gets its first job with the answer to its first name, and it pays that payee', () => {
    const it = finderPort()
    expect(methods(subscribe(it))).toEqual(['reply'])
    expect(it.publish(jobOf(2n))).toEqual([])
    const effects = authorize(it)
    expect(methods(effects)).toEqual([
      'reply',
      'mining.set_difficulty',
      'mining.notify',
      // It named itself when it subscribed, so nobody asks.
    ])
    expect(paidBy(effects)).toEqual([
      [4_900_000_000n, TERMS.script],
      [100_000_000n, Uint8Array.of(0x51)],
    ])
    expect(paidBy(it.publish(jobOf(3n)))).toEqual(paidBy(effects))
  })

  test('names further workers without another first job', () => {
    const it = finderPort()
    subscribe(it)
    authorize(it)
    expect(methods(authorize(it, TERMS, 'w.2'))).toEqual(['reply'])
  })

  test('refuses a second payee, whom its coinbases do not pay', () => {
    const it = finderPort()
    subscribe(it)
    authorize(it)
    it.say({ id: 9, method: 'mining.authorize', params: ['other', 'x'] })
    const worker = { ...WORKER, accountId: accountId(8n) }
    const finder = { ...TERMS, script: fromHex(`0014${'88'.repeat(20)}`) }
    const answer = { kind: 'authorized', worker, finder } as const
    const about = { requestId: 9, username: 'other', wishLog2: null, answer }
    expect(codeOf(it.feed({ kind: 'authorize answered', ...about }))).toBe(24)
    expect(paidBy(it.publish(jobOf(3n)))?.[0]).toEqual([4_900_000_000n, TERMS.script])
  })

  test('that comes back gets work at once, by the terms that it had', () => {
    const it = finderPort()
    const old = { ...TERMS, feeBasisPoints: 100 }
    const effects = subscribe(it, { ...LEASE, accountId: WORKER.accountId, finder: old })
    expect(paidBy(effects)?.[0]).toEqual([4_950_000_000n, TERMS.script])
    expect(methods(authorize(it))).toEqual(['reply'])
    expect(paidBy(it.publish(jobOf(3n)))?.[0]).toEqual([4_950_000_000n, TERMS.script])
  })

  test('that needs another lease takes its terms along', () => {
    const it = finderPort()
    it.say({ id: 7, method: 'mining.extranonce.subscribe', params: [] })
    subscribe(it)
    authorize(it)
    const [open] = it.feed({ kind: 'lease taken' })
    expect(open).toMatchObject({ kind: 'open', accountId: WORKER.accountId, finder: TERMS })
  })

  test('knows no job before it knows whom one pays', () => {
    const it = finderPort()
    subscribe(it)
    it.say({ id: 2, method: 'mining.authorize', params: ['w', 'x'] })
    const effects = it.say(submitLine())
    expect(kinds(effects)).toEqual(['send'])
    expect(codeOf(effects)).toBe(21)
  })

  test('has its shares hashed, and its block built, with its own coinbase', () => {
    const it = finderPort({ job: jobOf(1n, templateOf({ target: ALL_BLOCKS })) })
    subscribe(it)
    authorize(it)
    const check = createShareCheck(createDuplicates(), hashOneByOne)
    const effects = through(it, check, it.say(submitLine()))
    const [block] = effects.filter(each => each.kind === 'submit block')
    expect(block?.pending.candidate.job.paid).toEqual({ ...TERMS, amount: 4_900_000_000n })
  })
})
