import type { BundleVotes } from '../../../bmm/index.ts'
import { unreachable } from '../../../lib/assert.ts'
import {
  activeSlots,
  type PegState,
  type PendingBundle,
  type VoteAction,
  withEntry,
} from './peg-state.ts'

const ALARM = { oneByte: 0xfe, twoBytes: 0xfffe } as const
const ABSTAIN = { oneByte: 0xff, twoBytes: 0xffff } as const
const ONE_BYTE_MAX = 253
const LEADING_MARGIN = 50
const VOTES_MAX = 0xffff

type Outcome =
  | { readonly kind: 'applied'; readonly state: PegState }
  | { readonly kind: 'rejected'; readonly reason: string }

/**
 * Applies an M4. An upvote takes a vote from each rival of the slot that has one; an alarm takes one
 * from all.
 *
 * @param lastVotes what the block before did, for a vote that repeats it
 * Source: bip300301_enforcer, lib/validator/task/mod.rs, handle_m4_ack_bundles.
 */
export function judgeVotes(
  state: PegState,
  votes: BundleVotes,
  lastVotes: ReadonlyMap<number, VoteAction>,
): Outcome {
  switch (votes.kind) {
    case 'repeat previous':
      return applied(state, lastVotes)
    case 'leading by 50':
      return applied(state, leaders(state))
    case 'one byte':
      return judgeElements(state, votes.votes.map(widen))
    case 'two bytes':
      if (votes.votes.every(vote => vote <= ONE_BYTE_MAX))
        return rejected('M4 TwoBytes encoding with no element > 253')
      return judgeElements(state, votes.votes)
    default:
      return unreachable(votes)
  }
}

function widen(vote: number): number {
  if (vote === ALARM.oneByte) return ALARM.twoBytes
  return vote === ABSTAIN.oneByte ? ABSTAIN.twoBytes : vote
}

function judgeElements(state: PegState, votes: readonly number[]): Outcome {
  const slots = activeSlots(state)
  if (votes.length !== slots.length)
    return rejected(
      `Error handling M4 Votes: Invalid votes: expected ${slots.length}, but found ${votes.length}`,
    )
  const actions = new Map<number, VoteAction>()
  for (const [at, slot] of slots.entries()) {
    const vote = votes[at] ?? ABSTAIN.twoBytes
    if (vote === ABSTAIN.twoBytes) continue
    if (vote === ALARM.twoBytes) {
      actions.set(slot, { kind: 'alarm' })
      continue
    }
    const bundle = state.bundles.get(slot)?.[vote]
    if (bundle === undefined)
      return rejected(
        `Error handling M4 Votes: No pending withdrawal for sidechain \`${slot}\` at index \`${vote}\``,
      )
    actions.set(slot, { kind: 'upvote', m6id: bundle.m6id })
  }
  return applied(state, actions)
}

/** The bundle of each slot that is so far ahead of the next one. */
function leaders(state: PegState): ReadonlyMap<number, VoteAction> {
  const actions = new Map<number, VoteAction>()
  for (const [slot, pending] of state.bundles) {
    const [first, second] = [...pending].sort((a, b) => b.votes - a.votes)
    if (first && first.votes - (second?.votes ?? 0) >= LEADING_MARGIN)
      actions.set(slot, { kind: 'upvote', m6id: first.m6id })
  }
  return actions
}

function applied(before: PegState, actions: ReadonlyMap<number, VoteAction>): Outcome {
  let state: PegState = { ...before, lastVotes: actions }
  for (const [slot, action] of actions) {
    const pending = state.bundles.get(slot) ?? []
    // A bundle that is gone since gets no vote, and its rivals lose none.
    const isThere = action.kind === 'alarm' || pending.some(each => each.m6id === action.m6id)
    if (!isThere) continue
    const counted = pending.map(bundle => count(bundle, action))
    state = { ...state, bundles: withEntry(state.bundles, slot, counted) }
  }
  return { kind: 'applied', state }
}

function count(bundle: PendingBundle, action: VoteAction): PendingBundle {
  const isChosen = action.kind === 'upvote' && action.m6id === bundle.m6id
  const votes = isChosen ? Math.min(bundle.votes + 1, VOTES_MAX) : Math.max(bundle.votes - 1, 0)
  return { ...bundle, votes }
}

function rejected(reason: string): Outcome {
  return { kind: 'rejected', reason: `Error handling M4 (ack bundles): ${reason}` }
}
