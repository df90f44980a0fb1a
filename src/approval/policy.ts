import { assert, unreachable } from '../lib/assert.ts'
import type { UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { type OperatorKey, type SignedAct, verifyAct } from './act.ts'
import { encodeManifest, manifestHash, manifestTotal } from './manifest.ts'
import type { Manifest, Purpose } from './manifest-shape.ts'

/** What an operator may do: see, ask for batches and freeze, approve, manage operators. */
export type OperatorRole = 'viewer' | 'operator' | 'approver' | 'admin'

/** A person who acts for the treasury. Two keys of one person never count as two. */
export type Operator = {
  readonly alias: string
  readonly roles: readonly OperatorRole[]
  /** From `notAfter` on, what a key signs counts no longer. */
  readonly keys: readonly { readonly key: OperatorKey; readonly notAfter: UnixMs }[]
}

/** Up to this amount, fee included, so many operators must approve; null is any amount. */
export type Band = { readonly upTo: Sats | null; readonly approvals: number }

/** What the pool may pay with its own key's approval alone. */
export type AutoBand = {
  readonly poolKey: OperatorKey
  readonly perBatch: Sats
  readonly perDay: Sats
}

/** Ceilings that no approval lifts; null is none. A day is the last 24 hours. */
export type Limits = {
  readonly perBatch: Sats | null
  readonly perDay: Sats | null
  readonly perDestinationPerDay: Sats | null
}

/**
 * The rules by which money leaves. The pool keeps them when it reserves and again when it asks for
 * signatures; the signer keeps its own copy, pinned on its host, and believes no other.
 * Without operators nothing ever leaves.
 */
export type SpendPolicy = {
  readonly version: number
  readonly operators: readonly Operator[]
  /** Ascending, the last without a bound, each asking for at least one. */
  readonly bands: readonly Band[]
  readonly auto: AutoBand | null
  readonly limits: Limits
  /** Destinations that may be paid; null is any. */
  readonly allowList: ReadonlySet<string> | null
}

/** What left, or was reserved to leave, in the last 24 hours, the batch in question not counted. */
export type Spent = {
  /** With the largest fees. */
  readonly day: Sats
  /** What of it the pool's key approved alone. */
  readonly autoDay: Sats
  readonly byDestination: ReadonlyMap<string, Sats>
}

/** Why a batch must not leave whoever approves it. */
export type LimitRefusal =
  | { readonly kind: 'per batch' | 'per day'; readonly limit: Sats; readonly would: Sats }
  | { readonly kind: 'per destination'; readonly destination: string; readonly limit: Sats }
  | { readonly kind: 'not allowed'; readonly destination: string }

/** A batch with what was said of it. */
export type BatchWithActs = { readonly manifest: Manifest; readonly acts: readonly SignedAct[] }

/** What the acts on a batch come to. */
export type ApprovalVerdict =
  | { readonly kind: 'approved'; readonly by: 'operators' | 'pool' }
  | { readonly kind: 'waits'; readonly approvals: number; readonly needed: number }
  | { readonly kind: 'rejected' }

/** What the rules say of a batch with the acts that stand on it. */
export type SpendVerdict =
  | ApprovalVerdict
  | { readonly kind: 'refused'; readonly why: LimitRefusal }

/** Those whose destination is our own. */
const OWN_PURPOSES: ReadonlySet<Purpose> = new Set(['transfer', 'deposit', 'withdrawal', 'channel'])

/** A verdict in words: what a waiting batch says of itself. Empty where nothing holds it back. */
export function verdictText(verdict: SpendVerdict): string {
  switch (verdict.kind) {
    case 'approved':
      return ''
    case 'waits':
      return `it has ${verdict.approvals} of the ${verdict.needed} approvals it needs`
    case 'rejected':
      return 'an approver rejected it'
    case 'refused':
      return refusalText(verdict.why)
    default:
      return unreachable(verdict)
  }
}

/** A ceiling that holds a batch back, in words. */
export function refusalText(why: LimitRefusal): string {
  switch (why.kind) {
    case 'per batch':
      return `it may cost ${why.would} sat, and a batch at most ${why.limit}`
    case 'per day':
      return `with it ${why.would} sat would leave within a day, and ${why.limit} may`
    case 'per destination':
      return `${why.destination} would get more than ${why.limit} sat within a day`
    case 'not allowed':
      return `${why.destination} is not on the list of destinations`
    default:
      return unreachable(why)
  }
}

/** The most that a batch can cost us: what it pays and its largest fee. */
export function largestSpend(manifest: Manifest): Sats {
  return sats(manifestTotal(manifest) + manifest.feeMax)
}

/** How many operators must approve an amount. */
export function approvalsNeeded({ bands }: Pick<SpendPolicy, 'bands'>, amount: Sats): number {
  const band = bands.find(({ upTo }) => upTo === null || amount <= upTo)
  assert(band !== undefined && band.approvals >= 1, 'the last band has no bound, and asks for one')
  return band.approvals
}

/**
 * Which ceiling a batch would break, or null. What stays with us (a consolidation, a transfer
 * between our wallets, a deposit) counts too: its destination is only as much ours as the pool's
 * word.
 */
export function limitRefusal(
  { limits, allowList }: Pick<SpendPolicy, 'limits' | 'allowList'>,
  manifest: Manifest,
  spent: Spent,
): LimitRefusal | null {
  const would = largestSpend(manifest)
  if (limits.perBatch !== null && would > limits.perBatch)
    return { kind: 'per batch', limit: limits.perBatch, would }
  const day = sats(spent.day + would)
  if (limits.perDay !== null && day > limits.perDay)
    return { kind: 'per day', limit: limits.perDay, would: day }
  for (const { destination, amount } of manifest.payees) {
    if (allowList !== null && !allowList.has(destination))
      return { kind: 'not allowed', destination }
    const limit = limits.perDestinationPerDay
    if (limit !== null && (spent.byDestination.get(destination) ?? 0n) + amount > limit)
      return { kind: 'per destination', destination, limit }
  }
  return null
}

/**
 * The rules for what moves between our own wallets or rails: each goes to an address of ours, often
 * a fresh one, which no list can name. Only for whoever sees to it that the address is ours before
 * anything is signed; the signer does not take the pool's word for it.
 */
export function allowingOwn<Rules extends Pick<SpendPolicy, 'allowList'>>(
  rules: Rules,
  { purpose, payees }: Manifest,
): Rules {
  if (!OWN_PURPOSES.has(purpose) || rules.allowList === null) return rules
  const own = payees.map(({ destination }) => destination)
  return { ...rules, allowList: new Set([...rules.allowList, ...own]) }
}

/**
 * Judges a batch by the rules of now: whoever signs money away asks this at that very moment, and
 * believes neither a database nor an older verdict. Every signature is checked again.
 */
export function judgeSpend(
  policy: SpendPolicy,
  batch: BatchWithActs,
  spent: Spent,
  now: UnixMs,
): SpendVerdict {
  const refusal = limitRefusal(policy, batch.manifest, spent)
  if (refusal !== null) return { kind: 'refused', why: refusal }
  return judgeApprovals(policy, batch, spent, now)
}

/**
 * What the acts on a batch come to, the ceilings of the day apart: those are only known when it
 * leaves, and hold it back then without another act.
 */
export function judgeApprovals(
  policy: SpendPolicy,
  { manifest, acts }: BatchWithActs,
  spent: Spent,
  now: UnixMs,
): ApprovalVerdict {
  const hash = manifestHash(encodeManifest(manifest))
  const valid = acts.filter(act => act.manifestHash === hash && verifyAct(act))
  const rejects = ({ act, operator }: SignedAct) =>
    act.kind === 'reject' && approverOf(policy, operator, now) !== null
  if (valid.some(rejects)) return { kind: 'rejected' }
  const approving = valid.filter(({ act }) => act.kind === 'approve')
  const aliases = new Set(
    approving.flatMap(({ operator }) => approverOf(policy, operator, now)?.alias ?? []),
  )
  for (const alias of manifest.excluded) aliases.delete(alias)
  const needed = approvalsNeeded(policy, largestSpend(manifest))
  if (aliases.size >= needed) return { kind: 'approved', by: 'operators' }
  if (isWithinAuto(policy, manifest, spent)) {
    const byPool = approving.some(({ operator }) => operator === policy.auto?.poolKey)
    if (byPool) return { kind: 'approved', by: 'pool' }
  }
  return { kind: 'waits', approvals: aliases.size, needed }
}

/**
 * Whether the pool's own key counts as the approval of a batch: only where nobody's own word is in
 * it. Where one operator asked for it, or set a destination, a second person must see it.
 */
export function isWithinAuto(
  { auto }: { readonly auto: Omit<AutoBand, 'poolKey'> | null },
  manifest: Manifest,
  spent: Spent,
): boolean {
  const would = largestSpend(manifest)
  if (manifest.excluded.length > 0) return false
  return auto !== null && would <= auto.perBatch && spent.autoDay + would <= auto.perDay
}

/** The approver whose key this is, if it is still good. */
export function approverOf(policy: SpendPolicy, key: OperatorKey, now: UnixMs): Operator | null {
  // The pool's own key lies on a machine, so it is no person's, whoever wrote it to a list.
  if (key === policy.auto?.poolKey) return null
  const operator = operatorWith(policy, key, now)
  return operator?.roles.includes('approver') ? operator : null
}

/** The operator whose key this is, whatever the role, if the key is still good. */
export function operatorWith(
  { operators }: Pick<SpendPolicy, 'operators'>,
  key: OperatorKey,
  now: UnixMs,
): Operator | null {
  const isGood = (each: Operator['keys'][number]) => each.key === key && now < each.notAfter
  return operators.find(({ keys }) => keys.some(isGood)) ?? null
}
