import { toHex } from '../../lib/bytes.ts'
import type { SessionId, UnixMs } from '../../lib/ids.ts'
import type { Clock } from '../../lib/time.ts'
import type { SessionStore } from '../session-store.ts'
import type { Connection } from './connection.ts'
import type { Lease } from './session-state.ts'

/** Closed sessions are written, and live ones marked, this often. */
const MARK_EVERY_MS = 30_000

/** Which connection holds which lease, and what the database is to know of that. */
export type Leases = {
  /**
   * The lease is this connection's from now on.
   *
   * @returns the connection that held it until now; its end is no longer the session's
   */
  readonly give: (
    connection: Connection,
    lease: Pick<Lease, 'sessionId' | 'resumeToken'>,
  ) => Connection | null
  /** The connection has ended, and its session with it unless that goes on elsewhere. */
  readonly end: (connection: Connection) => void
  /** Writes which sessions live and since when others do not, where that is due. */
  readonly markWhenDue: () => void
  readonly mark: () => Promise<void>
}

export function createLeases(clock: Clock, sessions: Pick<SessionStore, 'markSeen'>): Leases {
  const byToken = new Map<string, Connection>()
  let ended = new Map<SessionId, UnixMs>()
  let markedAt = clock.now()

  async function mark(): Promise<void> {
    const closed = ended
    ended = new Map()
    const live = [...byToken.values()].flatMap(({ lease }) => (lease ? [lease.sessionId] : []))
    for (const id of live) closed.delete(id)
    try {
      await sessions.markSeen({ live, closed })
    } catch {
      // PostgreSQL is away: what ended is written with the next mark.
      ended = new Map([...closed, ...ended])
    }
  }

  return {
    give(connection, { sessionId, resumeToken }) {
      const token = toHex(resumeToken)
      const before = byToken.get(token) ?? null
      if (before) before.isSuperseded = true
      if (connection.isGone) ended.set(sessionId, clock.now())
      else byToken.set(token, connection)
      connection.lease = { sessionId, token }
      connection.isSuperseded = false
      return before
    },
    end(connection) {
      connection.isGone = true
      const { lease } = connection
      if (lease === null || connection.isSuperseded) return
      byToken.delete(lease.token)
      ended.set(lease.sessionId, clock.now())
    },
    markWhenDue() {
      if (clock.now() - markedAt < MARK_EVERY_MS) return
      markedAt = clock.now()
      void mark()
    },
    mark,
  }
}
