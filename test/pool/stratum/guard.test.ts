import { describe, expect, test } from 'vitest'
import { type UnixMs, unixMs } from '../../../src/lib/ids.ts'
import { parseNetwork } from '../../../src/lib/ip-address.ts'
import { createGuard, type GuardRules } from '../../../src/pool/stratum/guard.ts'
import { NOW } from './fixtures.ts'

const at = (ms: number) => unixMs(NOW + ms)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const farm = parseNetwork('198.51.100.0/24')
const guard = (rules: Partial<GuardRules> = {}) =>
  createGuard({ connectionsPerSubscriber: 2, exempt: farm ? [farm] : [], ...rules })

describe('connections of one subscriber', () => {
  test('are so many and no more, until one leaves', () => {
    const it = guard()
    const admit = (host: string) => it.admit(host, NOW)
    expect([admit('192.0.2.1'), admit('192.0.2.1'), admit('192.0.2.1')]).toEqual([
      ...['admitted', 'admitted', 'too many'],
    ])
    expect(admit('192.0.2.2')).toBe('admitted')
    it.leave('192.0.2.1')
    expect([admit('192.0.2.1'), admit('192.0.2.1')]).toEqual(['admitted', 'too many'])
  })
  test('are counted together over the addresses that it has for nothing', () => {
    const it = guard()
    const hosts = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::1']
    expect(hosts.map(host => it.admit(host, NOW))).toEqual([
      ...['admitted', 'admitted', 'too many', 'admitted'],
    ])
    expect(it.admit('192.0.2.1', NOW)).toBe('admitted')
    expect(it.admit('::ffff:192.0.2.1', NOW)).toBe('admitted')
    expect(it.admit('::ffff:192.0.2.1', NOW)).toBe('too many')
  })
  test('are any number where the operator knows it, or sets no limit', () => {
    const it = guard()
    for (let i = 0; i < 10; i++) expect(it.admit('198.51.100.7', NOW)).toBe('admitted')
    const open = guard({ connectionsPerSubscriber: null })
    for (let i = 0; i < 10; i++) expect(open.admit('192.0.2.1', NOW)).toBe('admitted')
  })
})

describe('strikes', () => {
  const strike = (it: ReturnType<typeof guard>, now: UnixMs, host = '192.0.2.1') =>
    it.strike(host, now)
  test('three within an hour are a ban of ten minutes', () => {
    const it = guard()
    expect(strike(it, at(0))).toBeNull()
    expect(strike(it, at(1))).toBeNull()
    const ban = strike(it, at(HOUR - 1))
    expect(ban).toEqual({ subscriber: '192.0.2.1', times: 1, untilMs: at(HOUR - 1 + 10 * MINUTE) })
    expect(it.admit('192.0.2.1', at(HOUR))).toBe('banned')
    expect(it.admit('192.0.2.2', at(HOUR))).toBe('admitted')
    expect(it.admit('192.0.2.1', at(HOUR - 1 + 10 * MINUTE))).toBe('admitted')
  })
  test('three within more than an hour are none', () => {
    const it = guard()
    expect([strike(it, at(0)), strike(it, at(1)), strike(it, at(HOUR))]).toEqual([null, null, null])
  })
  test('a ban that follows another is twice as long, up to a day', () => {
    const it = guard()
    let now = at(0)
    const lengths = Array.from({ length: 10 }, () => {
      strike(it, now)
      strike(it, now)
      const ban = strike(it, now)
      const length = (ban?.untilMs ?? now) - now
      now = ban?.untilMs ?? now
      return length / MINUTE
    })
    expect(lengths).toEqual([10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440])
  })
  test('a ban long over is forgotten', () => {
    const it = guard()
    for (let i = 0; i < 3; i++) strike(it, at(0))
    const later = at(10 * MINUTE + 24 * HOUR)
    strike(it, later)
    strike(it, later)
    expect(strike(it, later)).toMatchObject({ times: 1 })
  })
  test('of who is exempt count for nothing', () => {
    const it = guard()
    for (let i = 0; i < 10; i++) expect(strike(it, NOW, '198.51.100.7')).toBeNull()
  })
  test('are forgotten first of whom they are oldest, so that none fill the memory', () => {
    const it = guard()
    strike(it, NOW, '192.0.2.1')
    strike(it, NOW, '192.0.2.1')
    for (let i = 0; i < 10_000; i++) strike(it, NOW, `10.0.${i >> 8}.${i & 255}`)
    expect(strike(it, NOW, '192.0.2.1')).toBeNull()
  })
})

test('a ban of another process or an earlier life holds', () => {
  const it = guard()
  it.learn([{ subscriber: '192.0.2.1', times: 3, untilMs: at(MINUTE) }])
  expect(it.admit('192.0.2.1', NOW)).toBe('banned')
  for (let i = 0; i < 2; i++) it.strike('192.0.2.1', at(MINUTE))
  expect(it.strike('192.0.2.1', at(MINUTE))).toMatchObject({ times: 4 })
})
