import {
  approverOf,
  freezeRefusal,
  type HeadConfirmation,
  operatorWith,
  type SignedFreezeAct,
  verifyConfirmation,
} from '../approval/index.ts'
import { toHex } from '../lib/bytes.ts'
import { knowsHead } from './memory.ts'
import type { MemoryEvent } from './memory-entry.ts'
import { aliasOf, type Standing, timeOf } from './standing.ts'

/** What an act that the pool relayed is worth. */
export type ActJudgement =
  | { readonly kind: 'remember'; readonly event: MemoryEvent }
  | { readonly kind: 'refused'; readonly reason: string }

/** What an approver's confirmation adds to the memory, or why it adds nothing. */
export function judgeConfirmation(
  standing: Standing,
  confirmation: HeadConfirmation,
): ActJudgement {
  const { policy, memory } = standing
  const { signer, pool, operator, signature } = confirmation
  if (approverOf(policy, operator, timeOf(standing)) === null)
    return refused('it is of no approver')
  if (!verifyConfirmation(confirmation)) return refused('its signature is bad')
  if (signer.position !== memory.head.position || signer.hash !== memory.head.hash)
    return refused('it is about another end of this memory')
  if (knowsHead(memory, pool)) return refused('this memory holds that head already')
  const event = { kind: 'confirmed', pool, operator, signature: toHex(signature) } as const
  return { kind: 'remember', event }
}

/**
 * What an operator's freeze or unfreeze adds. The pool may bring it late, after this host was
 * away: an act names what it freezes or lifts, so its age makes it mean nothing else.
 */
export function judgeFreezeAct(standing: Standing, given: SignedFreezeAct): ActJudgement {
  const { policy, memory, network } = standing
  const { act, signature } = given
  if (operatorWith(policy, act.by, timeOf(standing)) === null) return refused('unknown operator')
  const refusal = freezeRefusal(given, {
    ...{ network, now: act.at, operators: policy.operators, freezes: memory.freezes },
    personOf: key => aliasOf(policy, key),
  })
  if (refusal !== null) return refused(refusal)
  return { kind: 'remember', event: { ...act, signature: toHex(signature) } }
}

function refused(reason: string): ActJudgement {
  return { kind: 'refused', reason }
}
