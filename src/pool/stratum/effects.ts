import type { ErrorCode, RequestId } from './replies.ts'
import type { Effect, Session, Step } from './session-state.ts'

/** What several parts of a session do. */
export function send(reply: Extract<Effect, { kind: 'send' }>['reply']): Effect {
  return { kind: 'send', reply }
}

export function isTrue(id: RequestId): Effect {
  return send({ kind: 'true', id })
}

/** An error as the only effect. */
export function fail(session: Session, id: RequestId, code: ErrorCode, text: string): Step {
  return { session, effects: [send({ kind: 'error', id, error: { code, text } })] }
}

/** Ends the connection after what it was told. */
export function hangUp(step: Step, reason: string): Step {
  return {
    session: { ...step.session, phase: { kind: 'closed' } },
    effects: [...step.effects, { kind: 'hang up', reason }],
  }
}

/** Ends it for something that no miner does, which counts against its address. */
export function hangUpOnAbuse(step: Step, reason: string): Step {
  return hangUp({ ...step, effects: [...step.effects, { kind: 'strike' }] }, reason)
}
