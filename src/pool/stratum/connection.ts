import type { AccountId, SessionId } from '../../lib/ids.ts'
import type { Log } from '../../lib/log.ts'
import type { CoinbasePays, FinderTerms } from '../finder-coinbase.ts'
import type { SessionStore } from '../session-store.ts'
import { ANOTHER_PAYEE } from './handshake.ts'
import { GROUND } from './ladder.ts'
import type { AuthorizeAnswer, Session } from './session-state.ts'

/** Who a username is: asked of the room that knows payees. */
export type Authorize = (
  username: string,
  scheme: string,
) => Promise<
  | {
      readonly kind: 'authorized'
      readonly accountId: AccountId
      readonly worker: string
      /** Whom coinbases of its jobs pay; null where they pay the pool. */
      readonly finder: FinderTerms | null
    }
  | { readonly kind: 'refused'; readonly reason: string }
>

/** Asks who a name is, and binds the session to its account; what does not answer is no refusal. */
export async function answerAuthorize(
  deps: {
    readonly authorize: Authorize
    readonly sessions: Pick<SessionStore, 'bind'>
    readonly log: Log
  },
  scheme: string,
  { username, sessionId }: { readonly username: string; readonly sessionId: SessionId },
): Promise<AuthorizeAnswer> {
  try {
    const who = await deps.authorize(username, scheme)
    if (who.kind === 'refused') return who
    const { accountId, worker: workerName, finder } = who
    const binding = await deps.sessions.bind({ sessionId, accountId, workerName, finder })
    if (binding.kind === 'another payee') return { kind: 'refused', reason: ANOTHER_PAYEE }
    return { kind: 'authorized', worker: binding.worker, finder }
  } catch (error) {
    deps.log.warn({ error: String(error) }, 'a worker could not be authorized')
    return { kind: 'unavailable' }
  }
}

/** One end of a connection, as sessions see it. */
export type Wire = {
  readonly host: string
  readonly port: number
  /** A whole line. Lost when the connection is gone. */
  readonly send: (line: string) => void
  /** After what was sent. */
  readonly end: () => void
}

/** A connection with its session. Only session-server.ts and leases.ts change it. */
export type Connection = {
  readonly wire: Wire
  readonly scheme: string
  readonly coinbasePays: CoinbasePays
  session: Session
  lease: { readonly sessionId: SessionId; readonly token: string } | null
  /** Another connection has its lease now, so its end is not the session's. */
  isSuperseded: boolean
  /** Its socket has ended. */
  isGone: boolean
}

/** Whether its last shares were accepted. */
export function minesWell({ session }: Connection): boolean {
  return session.isProven && session.ladder === GROUND && session.phase.kind === 'open'
}

/**
 * Whether another connection of the same host mines well: a farm behind one address is not banned
 * for one broken rig of it. Nobody hides behind an idle connection, since it takes accepted shares.
 */
export function hasGoodNeighbour(connection: Connection, all: Iterable<Connection>): boolean {
  for (const other of all) {
    const isNeighbour = other !== connection && other.wire.host === connection.wire.host
    if (isNeighbour && minesWell(other)) return true
  }
  return false
}
