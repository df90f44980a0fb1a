import { describe, expect, test } from 'vitest'
import { sessionId, unixMs } from '../../../src/lib/ids.ts'
import {
  jobOf,
  kinds,
  LEASE,
  NOW,
  sent,
  submitLine,
  type Talk,
  talk,
  templateOf,
} from './fixtures.ts'

const OTHER = {
  ...LEASE,
  sessionId: sessionId(6n),
  resumeToken: Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1),
  extranonce1: Uint8Array.of(0, 1, 0, 3),
}
const job = (id: bigint, atMs: number) => jobOf(id, templateOf(), unixMs(NOW + atMs), false)
/** The lease that a submission is hashed with, and belongs to. */
const leaseOf = (it: Talk, name: string) => {
  const [effect] = it.say(submitLine({ job: name }))
  if (effect?.kind !== 'check') throw new Error('not checked')
  const { sessionId: id, candidate } = effect.pending
  return { sessionId: id, extranonce1: candidate.extranonce1 }
}
const lease = ({ sessionId: id, extranonce1 }: typeof LEASE) => ({ sessionId: id, extranonce1 })

describe('a miner whose lease another connection has now', () => {
  const asks: [string, object][] = [
    ['mining.extranonce.subscribe', { id: 3, method: 'mining.extranonce.subscribe', params: [] }],
    [
      'mining.configure',
      { id: 3, method: 'mining.configure', params: [['subscribe-extranonce'], {}] },
    ],
  ]
  for (const [name, line] of asks)
    test(`gets another with the next job, having asked by ${name}`, () => {
      const it = talk()
      it.ready()
      it.say(line)
      expect(it.feed({ kind: 'lease taken' })).toMatchObject([
        { kind: 'open', resumeToken: null, startLog2: -32, accountId: 7n },
      ])
      expect(it.feed({ kind: 'opened', lease: OTHER })).toEqual([])
      expect(leaseOf(it, '1')).toEqual(lease(LEASE))
      const next = sent(it.publish(job(2n, 5000)))
      expect(next.map(each => each['method'])).toEqual([
        ...['mining.set_extranonce', 'mining.set_difficulty', 'mining.notify'],
      ])
      expect(next[0]?.['params']).toEqual(['00010003', 8])
      expect(leaseOf(it, '1')).toEqual(lease(LEASE))
      expect(leaseOf(it, '2')).toEqual(lease(OTHER))
      expect(sent(it.publish(job(3n, 9000))).map(each => each['method'])).toEqual(['mining.notify'])
      const again = sent(it.say({ id: 9, method: 'mining.subscribe', params: [] }))
      expect(again[0]?.['result']).toMatchObject({ 1: '00010003' })
    })
  test('is hung up on where it could not be told', () => {
    const it = talk()
    it.ready()
    expect(kinds(it.feed({ kind: 'lease taken' }))).toEqual(['hang up'])
    expect(it.publish(job(2n, 5000))).toEqual([])
  })
  test('is hung up on where there is no other', () => {
    const it = talk()
    it.ready()
    it.say({ id: 3, method: 'mining.extranonce.subscribe', params: [] })
    it.feed({ kind: 'lease taken' })
    expect(kinds(it.feed({ kind: 'not opened' }))).toEqual(['hang up'])
  })
})
