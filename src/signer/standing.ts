import {
  freezeHolds,
  type OperatorKey,
  type SignerHead,
  type SpendPolicy,
  stops,
} from '../approval/index.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import type { ChannelRules } from './channel-rules.ts'
import type { Descriptor } from './descriptor.ts'
import { knowsHead, type Memory } from './memory.ts'
import type { DepositRules } from './outputs.ts'
import type { ThunderWallet } from './thunder.ts'

/** A clock may be so far behind what it showed before; further back, nothing is signed. */
const CLOCK_SLACK_MS = 60_000
/** So far may the machine's clock be from the steady one; further, nothing is signed. */
const CLOCK_SET_MS_MAX = 600_000

/** What the signer judges by: its own rules, its own memory, its own clock. */
export type Standing = {
  readonly network: Network
  readonly policy: SpendPolicy
  readonly wallets: Readonly<Partial<Record<'hot' | 'cold', { readonly descriptor: Descriptor }>>>
  /** The keys on Thunder; null where this host has none. */
  readonly thunder: ThunderWallet | null
  /** Where deposits may go; null where this host signs none. */
  readonly deposits: DepositRules | null
  /** Where channels may be opened; null where this host opens none. */
  readonly channels: ChannelRules | null
  readonly memory: Memory
  /** By the steady clock. */
  readonly now: UnixMs
  /** By the machine's, which somebody may have set. */
  readonly wallNow: UnixMs
}

/** Why nothing at all is signed for a pool with that head on record; null when something may be. */
export function standingComplaint(
  { memory, now, wallNow, network }: Standing,
  head: SignerHead | null,
): string | null {
  if (memory.network !== network) return `the memory is of ${memory.network}, not of ${network}`
  if (memory.latest !== null && now + CLOCK_SLACK_MS < memory.latest)
    return 'the clock is behind what it has shown before'
  if (Math.abs(wallNow - now) > CLOCK_SET_MS_MAX)
    return 'the clock was set while the signer ran, or the host slept: put it right, then restart it'
  if (knowsHead(memory, head)) return null
  return (
    `the pool has seen this signer at position ${head?.position}, which its memory does not hold: ` +
    'it is an old copy, or another signer; an approver must confirm both heads'
  )
}

/** A clock that is a little behind what it has shown must not make a day or an hour longer. */
export function timeOf({ now, memory }: Standing): UnixMs {
  return unixMs(Math.max(now, memory.latest ?? 0))
}

/** Whether a freeze that was not lifted yet stops a rail. */
export function isFrozen({ memory, policy }: Standing, rail: string): boolean {
  return memory.freezes.some(
    each => stops(each.freeze, rail) && freezeHolds(each, key => aliasOf(policy, key)),
  )
}

/** Whose key it is or was: an expired key still tells who lifted a freeze with it. */
export function aliasOf({ operators }: SpendPolicy, key: OperatorKey): string | null {
  return operators.find(({ keys }) => keys.some(each => each.key === key))?.alias ?? null
}
