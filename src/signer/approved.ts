import {
  decodeManifest,
  judgeSpend,
  type LimitRefusal,
  type Manifest,
  manifestHash,
  type SignedAct,
  type SignerHead,
  type SpendPolicy,
  type SpendVerdict,
  type Spent,
} from '../approval/index.ts'
import { unreachable } from '../lib/assert.ts'
import type { Digest, UnixMs } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import { closedBefore, type Memory, manifestOf, spentBefore } from './memory.ts'
import type { MemoryEvent } from './memory-entry.ts'
import { isFrozen, type Standing, standingComplaint, timeOf } from './standing.ts'

/** Expired batches closed in a day; whoever asks for more may only want to fill the disk. */
const CLOSED_A_DAY_MAX = 1000

const NOTHING_SPENT: Spent = { day: sats(0n), autoDay: sats(0n), byDestination: new Map() }

type Refused = { readonly kind: 'refused'; readonly reason: string }

/** The manifest of a request that this host looks at. */
export type ReadManifest =
  | { readonly kind: 'manifest'; readonly manifest: Manifest; readonly hash: Digest }
  | Refused

/** Reads the manifest of a request, where anything may leave at all for this pool, by its rail. */
export function readManifest(
  standing: Standing,
  { manifest: bytes, head }: { readonly manifest: Uint8Array; readonly head: SignerHead | null },
): ReadManifest {
  const complaint = standingComplaint(standing, head)
  if (complaint !== null) return refused(complaint)
  const manifest = decodeManifest(bytes)
  if (manifest === null) return refused('the manifest is not canonical')
  if (manifest.network !== standing.network)
    return refused(`the manifest is of ${manifest.network}`)
  if (isFrozen(standing, manifest.rail)) return refused('the rail is frozen')
  return { kind: 'manifest', manifest, hash: manifestHash(bytes) }
}

/** A batch that money is asked for. */
export type AskedBatch = {
  readonly manifest: Manifest
  readonly hash: Digest
  readonly acts: readonly SignedAct[]
  readonly policy: SpendPolicy
  /** So long after a known batch expired it is asked for still. */
  readonly graceMs: number
}

/** Whether a batch was approved by this host's rules. */
export type Approved =
  | { readonly kind: 'approved'; readonly by: 'operators' | 'pool' }
  /** It expired before anything was done for it, and will never be; null where that is known. */
  | { readonly kind: 'closed'; readonly event: MemoryEvent | null }
  | Refused

/** Judges who approved a batch, and by what limits. What a known one may cost is counted already. */
export function judgeApproved(standing: Standing, asked: AskedBatch): Approved {
  const { manifest, hash, acts, policy, graceMs } = asked
  const { memory } = standing
  const known = manifestOf(memory, String(manifest.batch))
  if (memory.closed.has(hash)) return { kind: 'closed', event: null }
  if (known !== null && known !== hash)
    return refused(`batch ${manifest.batch} was signed with another manifest`)
  const now = timeOf(standing)
  if (known === null && now >= manifest.expiresAt) return close(memory, hash, now)
  if (now >= manifest.expiresAt + graceMs) return refused('it has expired')
  const spent = known === null ? spentBefore(memory, now) : NOTHING_SPENT
  const verdict = judgeSpend(policy, { manifest, acts }, spent, now)
  return verdict.kind === 'approved' ? verdict : refused(verdictText(verdict))
}

/**
 * The manifest and not the batch's number is closed: a number that a stranger made up cannot keep
 * another manifest from being signed.
 */
function close(memory: Memory, manifest: Digest, now: UnixMs): Approved {
  if (closedBefore(memory, now) >= CLOSED_A_DAY_MAX)
    return refused('it has expired, and too many were closed today to close it too')
  return { kind: 'closed', event: { kind: 'closed', manifest } }
}

function verdictText(verdict: Exclude<SpendVerdict, { kind: 'approved' }>): string {
  switch (verdict.kind) {
    case 'waits':
      return `it has ${verdict.approvals} of ${verdict.needed} approvals by this host's rules`
    case 'rejected':
      return 'an approver has rejected it'
    case 'refused':
      return limitText(verdict.why)
    default:
      return unreachable(verdict)
  }
}

function limitText(why: LimitRefusal): string {
  switch (why.kind) {
    case 'per batch':
    case 'per day':
      return `the limit ${why.kind} is ${why.limit} sat, and it would make ${why.would}`
    case 'per destination':
      return `${why.destination} gets at most ${why.limit} sat a day`
    case 'not allowed':
      return `${why.destination} is not on the list of destinations`
    default:
      return unreachable(why)
  }
}

function refused(reason: string): Refused {
  return { kind: 'refused', reason }
}
