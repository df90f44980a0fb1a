import type { UnixMs } from '../../lib/ids.ts'
import { judgeChannel } from './channel.ts'
import { hangUp, hangUpOnAbuse, send } from './effects.ts'
import { actDue } from './ladder.ts'
import { withChannel } from './offer.ts'
import type { Session, Step } from './session-state.ts'

/** A connection without a lease by then is no miner: it ends. */
const SUBSCRIBE_WITHIN_MS = 15_000
/** A connection without an authorized worker by then ends. */
const AUTHORIZE_WITHIN_MS = 60_000
/** Vardiff brings every live miner to a share a minute at worst, so this one is gone: it ends. */
const SILENCE_MAX_MS = 3_600_000
/** A miner that says nothing for so long is asked whether it is there. */
const PING_AFTER_MS = 90_000
/** One that has answered a ping before, and now says nothing for so long, is gone: it ends. Most
 * firmware answers none, so for others silence proves nothing. */
const PONG_WITHIN_MS = 60_000

/** Every few seconds: time limits, pings, the ladder of refused shares, and vardiff. */
export function tick(session: Session, now: UnixMs): Step {
  const { phase, connectedAt, lastLineAt } = session
  const stay: Step = { session, effects: [] }
  if (phase.kind === 'closed') return stay
  if (phase.kind !== 'open' && now - connectedAt > SUBSCRIBE_WITHIN_MS)
    return hangUp(stay, 'never subscribed')
  if (session.workers.size === 0)
    return now - connectedAt > AUTHORIZE_WITHIN_MS ? hangUp(stay, 'never authorized') : stay
  if (now - lastLineAt > SILENCE_MAX_MS) return hangUp(stay, 'silent')
  if (phase.kind !== 'open') return stay
  const climbed = climb(session, now)
  if (climbed.session.phase.kind === 'closed') return climbed
  const asked = ping(climbed.session, now)
  if (asked.session.phase.kind !== 'open') return asked
  const { rule, phase: open } = asked.session
  const judged = withChannel(asked.session, judgeChannel(open.channel, rule, now))
  return { ...judged, effects: [...climbed.effects, ...asked.effects, ...judged.effects] }
}

/** Telling again waits for the next job, since no content is ever sent twice. */
function climb(session: Session, now: UnixMs): Step {
  const stay: Step = { session, effects: [] }
  const { ladder } = session
  const act = actDue(ladder, now)
  switch (act) {
    case 'nothing':
      return stay
    case 'tell again':
      return {
        session: { ...session, ladder: { ...ladder, rung: 'told again' }, isToldAgain: true },
        effects: [],
      }
    case 'reconnect':
      return {
        session: { ...session, ladder: { ...ladder, rung: 'asked to reconnect' } },
        effects: [
          send({ kind: 'show message', text: 'all shares are refused: please connect again' }),
          send({ kind: 'reconnect' }),
        ],
      }
    case 'drop':
      return hangUpOnAbuse(stay, 'nothing but refused shares')
  }
}

function ping(session: Session, now: UnixMs): Step {
  const stay: Step = { session, effects: [] }
  const { lastLineAt, pingedAt, answersPings } = session
  if (now - lastLineAt <= PING_AFTER_MS) return stay
  if (pingedAt === null || pingedAt <= lastLineAt)
    return { session: { ...session, pingedAt: now }, effects: [send({ kind: 'ping' })] }
  return answersPings && now - pingedAt > PONG_WITHIN_MS
    ? hangUp(stay, 'it answers no ping any more')
    : stay
}
