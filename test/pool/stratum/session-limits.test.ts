import { beforeAll, describe, expect, test } from 'vitest'
import { unixMs } from '../../../src/lib/ids.ts'
import { createDuplicates } from '../../../src/pool/duplicates.ts'
import { type CheckShares, createShareCheck } from '../../../src/pool/share.ts'
import type { Effect } from '../../../src/pool/stratum/session-state.ts'
import {
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

let check: CheckShares
beforeAll(() => {
  check = createShareCheck(createDuplicates())
})

const methods = (effects: readonly Effect[]) => sent(effects).map(each => each['method'])
const ready = () => {
  const it = talk()
  it.ready()
  return it
}
/** A share on a job that nobody knows. */
const refuse = (it: Talk) => it.say(submitLine({ job: 'ffff' }))
const tick = (it: Talk) => it.feed({ kind: 'tick' })
/** What a tick does about refused shares, whatever it does about silence. */
const climb = (it: Talk) =>
  tick(it).filter(each => each.kind !== 'send' || each.reply.kind !== 'ping')

describe('a miner that says nothing', () => {
  test('is asked once whether it is there, and again only after it spoke', () => {
    const it = ready()
    it.wait(90_000)
    expect(tick(it)).toEqual([])
    it.wait(1)
    expect(sent(tick(it))).toEqual([{ id: 1, method: 'mining.ping', params: [] }])
    it.wait(300_000)
    expect(methods(tick(it))).toEqual([])
    it.say({ id: 7, method: 'mining.suggest_difficulty', params: [1] })
    it.wait(90_001)
    expect(methods(tick(it))).toEqual(['mining.ping'])
  })
  const pongs = [
    { id: 1, result: 'pong', error: null },
    { id: 1, method: 'pong', params: [] },
    { id: null, method: 'mining.pong' },
  ]
  for (const pong of pongs)
    test(`is gone if it answered ${JSON.stringify(pong)} before and does no more`, () => {
      const it = ready()
      it.wait(90_001)
      tick(it)
      expect(it.say(pong)).toEqual([])
      it.wait(90_001)
      expect(methods(tick(it))).toEqual(['mining.ping'])
      it.wait(60_000)
      expect(tick(it)).toEqual([])
      it.wait(1)
      expect(kinds(tick(it))).toEqual(['hang up'])
    })
  test('is no more than silent where it never answers', () => {
    const it = ready()
    it.wait(90_001)
    tick(it)
    it.wait(3_500_000)
    expect(kinds(tick(it))).toEqual([])
    it.wait(100_000)
    expect(kinds(tick(it))).toEqual(['hang up'])
  })
})

describe('a miner of nothing but refused shares', () => {
  const refused = () => {
    const it = ready()
    for (let i = 0; i < 6; i++) refuse(it)
    return it
  }
  test('is told everything about its work again with the next job', () => {
    const it = talk()
    it.say({ id: 9, method: 'mining.configure', params: [['version-rolling'], {}] })
    it.ready()
    for (let i = 0; i < 6; i++) refuse(it)
    it.wait(60_001)
    expect(climb(it)).toEqual([])
    const next = (id: bigint) => jobOf(id, templateOf(), it.now(), false)
    const again = sent(it.publish(next(2n)))
    expect(again.map(each => each['method'])).toEqual([
      ...['mining.set_version_mask', 'mining.set_difficulty', 'mining.notify'],
    ])
    expect(again[2]?.['params']).toEqual(['2', true])
    expect(sent(it.publish(next(3n)))).toMatchObject([{ params: ['3', false] }])
  })
  test('is then asked to connect anew, and at last hung up on', () => {
    const it = refused()
    it.wait(60_001)
    climb(it)
    it.wait(60_000)
    expect(methods(climb(it))).toEqual(['client.show_message', 'client.reconnect'])
    it.wait(59_999)
    expect(climb(it)).toEqual([])
    it.wait(1)
    expect(kinds(climb(it))).toEqual(['strike', 'hang up'])
    expect(refuse(it)).toEqual([])
  })
  test('is left alone while they are few', () => {
    const it = ready()
    for (let i = 0; i < 5; i++) refuse(it)
    it.wait(200_000)
    expect(kinds(climb(it))).not.toContain('hang up')
  })
  test('that floods is hung up on at the thousandth', () => {
    const it = ready()
    for (let i = 1; i < 1000; i++) expect(kinds(refuse(it))).not.toContain('hang up')
    expect(kinds(refuse(it))).toEqual(['send', 'count reject', 'strike', 'hang up'])
  })
  test('comes down by its accepted shares, four refusals for each', () => {
    const it = refused()
    const accept = (nonce: string) => through(it, check, it.say(submitLine({ nonce })))
    expect(sent(accept('1')).at(-1)).toMatchObject({ result: true })
    expect(it.session().ladder.refused).toBe(2)
    expect(sent(accept('2')).at(-1)).toMatchObject({ result: true })
    it.wait(200_000)
    expect(kinds(climb(it))).not.toContain('hang up')
    refuse(it)
    expect(it.session().ladder).toMatchObject({ refused: 1, sinceMs: it.now(), rung: 'none' })
  })
})

describe('what is no miner counts against its address', () => {
  const name = (it: Talk, username: string) => {
    it.say({ id: 3, method: 'mining.authorize', params: [username, ''] })
    const answer = { kind: 'refused', reason: 'no such address' } as const
    return it.feed({ kind: 'authorize answered', requestId: 3, username, wishLog2: null, answer })
  }
  const cases: [string, (it: Talk) => readonly Effect[]][] = [
    ['gibberish', it => repeat(11, () => it.say('?'))],
    ['a line too long', it => it.feed({ kind: 'overlong line' })],
    ['chatter without a worker', it => repeat(101, () => it.say({ id: 1, method: 'mining.ping' }))],
    [
      'a hundred names refused',
      it => {
        it.ready()
        return repeat(101, i => name(it, `n${i}`))
      },
    ],
    [
      'requests before the lease',
      it => {
        it.say({ id: 1, method: 'mining.subscribe', params: [] })
        return repeat(17, () => it.say({ id: 1, method: 'mining.ping' }))
      },
    ],
  ]
  for (const [what, act] of cases)
    test(what, () => {
      expect(kinds(act(talk())).slice(-2)).toEqual(['strike', 'hang up'])
    })
  test('but not a visitor that never subscribes', () => {
    const it = talk()
    it.wait(15_001)
    expect(kinds(tick(it))).toEqual(['hang up'])
  })
})

describe('a miner that did not name itself', () => {
  const nameless = () => {
    const it = talk()
    it.say({ id: 1, method: 'mining.subscribe', params: [] })
    it.feed({ kind: 'opened', lease: { ...LEASE, steps: [{ fromMs: unixMs(0), log2: -32 }] } })
    it.say({ id: 2, method: 'mining.authorize', params: ['w', 'x'] })
    const answer = { kind: 'authorized', worker: WORKER, finder: null } as const
    const about = { requestId: 2, username: 'w', wishLog2: null, answer }
    return { it, effects: it.feed({ kind: 'authorize answered', ...about }) }
  }
  test('is asked once it is authorized, and the answer is kept', () => {
    const { it, effects } = nameless()
    expect(sent(effects).at(-1)).toEqual({ id: 2, method: 'client.get_version', params: [] })
    const answer = it.say({ id: 2, result: 'cgminer/4.11\n', error: null })
    expect(answer).toEqual([
      { kind: 'name agent', sessionId: LEASE.sessionId, agent: 'cgminer/4.11?' },
    ])
    expect(it.say({ id: 2, result: 'another', error: null })).toEqual([])
  })
  test('is not asked where it did', () => {
    expect(methods(talk().ready())).not.toContain('client.get_version')
  })
  test('may answer nothing of use', () => {
    const { it } = nameless()
    for (const result of [null, 5, '', {}]) expect(it.say({ id: 2, result })).toEqual([])
  })
})

test('a process that ends asks those that have work to connect anew', () => {
  expect(methods(ready().feed({ kind: 'drain' }))).toEqual(['client.reconnect'])
  expect(talk().feed({ kind: 'drain' })).toEqual([])
})

/** The effects of the last time. */
function repeat(times: number, act: (i: number) => readonly Effect[]): readonly Effect[] {
  let last: readonly Effect[] = []
  for (let i = 0; i < times; i++) last = act(i)
  return last
}
