import { type UnixMs, unixMs } from '../../lib/ids.ts'
import {
  type IpNetwork,
  isWithin,
  parseIp,
  parseNetwork,
  subscriberOf,
} from '../../lib/ip-address.ts'

/** So many strikes within the time below, and the subscriber is banned. */
const STRIKES_MAX = 3
const STRIKES_WITHIN_MS = 3_600_000
/** A first ban; each further one is twice as long. */
const BAN_MS = 600_000
const BAN_MS_MAX = 86_400_000
/** A ban is remembered for so long after its end; whoever is banned later begins at the first. */
export const BAN_MEMORY_MS = 86_400_000
/** Subscribers with strikes that are remembered; beyond, the one that struck first is forgotten. */
const STRUCK_MAX = 10_000

/** Ourselves: whoever is there needs no socket to do us harm, and a proxy of ours may be. */
const LOOPBACK = ['127.0.0.0/8', '::1'].flatMap(text => parseNetwork(text) ?? [])

/** Who may connect how often. */
export type GuardRules = {
  /** Connections of one subscriber to one process; null for any number. */
  readonly connectionsPerSubscriber: number | null
  /** Never counted and never banned, as is our own machine: farms that the operator knows. */
  readonly exempt: readonly IpNetwork[]
}

/** A row of `stratum_bans`. */
export type Ban = {
  readonly subscriber: string
  /** How many bans, this one included, came within a day of each other. */
  readonly times: number
  readonly untilMs: UnixMs
}

/** Keeps subscribers apart: one is an address of IPv4, or the first half of one of IPv6. */
export type Guard = {
  /** Counts the connection if it may stay; then `leave` is called once, when it has ended. */
  readonly admit: (host: string, now: UnixMs) => 'admitted' | 'too many' | 'banned'
  readonly leave: (host: string) => void
  /** @returns the ban to keep, when that was one strike too many */
  readonly strike: (host: string, now: UnixMs) => Ban | null
  /** Bans of other processes and earlier lives. */
  readonly learn: (bans: readonly Ban[]) => void
}

export function createGuard(rules: GuardRules): Guard {
  const counts = new Map<string, number>()
  const strikes = new Map<string, readonly UnixMs[]>()
  const bans = new Map<string, Ban>()
  const exempt = [...LOOPBACK, ...rules.exempt]
  const limit = rules.connectionsPerSubscriber ?? Number.POSITIVE_INFINITY

  /** Null for who is exempt. */
  function subscriber(host: string): string | null {
    const address = parseIp(host)
    // A socket without an address that we can read has no neighbours either.
    if (address === null) return host
    return exempt.some(network => isWithin(address, network)) ? null : subscriberOf(address)
  }

  return {
    admit(host, now) {
      const who = subscriber(host)
      if (who === null) return 'admitted'
      const ban = bans.get(who)
      if (ban && ban.untilMs > now) return 'banned'
      const count = counts.get(who) ?? 0
      if (count >= limit) return 'too many'
      counts.set(who, count + 1)
      return 'admitted'
    },
    leave(host) {
      const who = subscriber(host)
      if (who === null) return
      const count = (counts.get(who) ?? 0) - 1
      if (count > 0) counts.set(who, count)
      else counts.delete(who)
    },
    strike(host, now) {
      const who = subscriber(host)
      if (who === null) return null
      const recent = (strikes.get(who) ?? []).filter(at => now - at < STRIKES_WITHIN_MS)
      strikes.delete(who)
      if (recent.length + 1 < STRIKES_MAX) {
        strikes.set(who, [...recent, now])
        if (strikes.size > STRUCK_MAX) strikes.delete(first(strikes))
        return null
      }
      const ban = nextBan(who, bans.get(who), now)
      bans.set(who, ban)
      return ban
    },
    learn(learnt) {
      bans.clear()
      for (const ban of learnt) bans.set(ban.subscriber, ban)
    },
  }
}

function nextBan(subscriber: string, before: Ban | undefined, now: UnixMs): Ban {
  const isRemembered = before !== undefined && now - before.untilMs < BAN_MEMORY_MS
  const times = isRemembered ? before.times + 1 : 1
  const lasts = Math.min(BAN_MS * 2 ** (times - 1), BAN_MS_MAX)
  return { subscriber, times, untilMs: unixMs(now + lasts) }
}

/** Of a map that is not empty, the key that was set first. */
function first(map: ReadonlyMap<string, unknown>): string {
  const [key = ''] = map.keys()
  return key
}
