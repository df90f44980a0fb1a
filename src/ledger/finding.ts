import { unreachable } from '../lib/assert.ts'
import type { Digest } from '../lib/ids.ts'

/** An audit names this many findings and counts no further: the first ones tell enough. */
export const FINDINGS_MAX = 100

/** What an audit of the ledger found wrong. */
export type Finding =
  /** No row has this place, though later ones do. */
  | { readonly kind: 'missing position'; readonly position: bigint }
  /** The place is there, its entry or the entry's legs are not. */
  | { readonly kind: 'missing entry'; readonly position: bigint }
  /** The entry's words or legs are not what was asked for when it was posted. */
  | { readonly kind: 'changed'; readonly position: bigint; readonly key: string }
  /** The hash does not follow from the one before: entries changed, or changed places. */
  | { readonly kind: 'broken link'; readonly position: bigint; readonly key: string }
  /** A place that was seen before has another hash now, or is gone. */
  | { readonly kind: 'rewritten'; readonly position: bigint; readonly hash: Digest }
  /** The entry has no place and waits for none. */
  | { readonly kind: 'never chained'; readonly key: string }
  | { readonly kind: 'unbalanced'; readonly key: string; readonly sumMsat: bigint }
  /** A kept balance is not the sum of its account's legs. */
  | {
      readonly kind: 'wrong balance'
      readonly account: string
      readonly keptMsat: bigint
      readonly legsMsat: bigint
    }
  /** All kept balances together do not come to nothing. */
  | { readonly kind: 'unequal books'; readonly sumMsat: bigint }

/** A finding in words, for an operator. */
export function findingText(finding: Finding): string {
  switch (finding.kind) {
    case 'missing position':
      return `place ${finding.position} of the chain is missing`
    case 'missing entry':
      return `the entry at place ${finding.position} is missing`
    case 'changed':
      return `entry ${finding.key} at place ${finding.position} is not what was posted`
    case 'broken link':
      return `the hash of ${finding.key} at place ${finding.position} does not follow`
    case 'rewritten':
      return `place ${finding.position} no longer has the hash ${finding.hash} that was seen there`
    case 'never chained':
      return `entry ${finding.key} has no place in the chain and waits for none`
    case 'unbalanced':
      return `entry ${finding.key} does not balance: ${finding.sumMsat} msat over`
    case 'wrong balance':
      return `${finding.account} is kept as ${finding.keptMsat} msat, its legs are ${finding.legsMsat}`
    case 'unequal books':
      return `the balances of all accounts come to ${finding.sumMsat} msat instead of none`
    default:
      return unreachable(finding)
  }
}
