import type { Direction, Verdict } from '../support/tap-proxy.ts'

/** What a process is doing when it is struck; a rail without one of them has no boundary in it. */
export type Phase =
  /** From the plan of a batch to its end. */
  | 'pay'
  /** What was sent is too slow, and a dearer version replaces it. */
  | 'bump'
  /** A settled batch is taken back by a reorganisation. */
  | 'watch'
  /** The same, and no node has its transaction any more. */
  | 'send again'
  /** An operator says yes to the API, or no. */
  | 'approve'
  | 'reject'

/**
 * A point between two steps of a process, told by what it says to a server: before the server hears
 * it, after it was done and before the answer is heard, or around the commit of the transaction in
 * which it was said.
 */
export type Boundary = {
  readonly name: string
  readonly phase: Phase
  /** Which of the rail's servers hears it. */
  readonly server: string
  readonly says: string | RegExp
  readonly at: 'asked' | 'answered' | 'committing' | 'committed'
}

type Points = readonly Boundary['at'][]
const STATEMENT: Points = ['asked', 'answered']
const TRANSACTION: Points = ['asked', 'committing', 'committed']

type Said = Pick<Boundary, 'phase' | 'server' | 'says'>

/** Both ends of one statement, or of one request. */
export function around<T extends Said>(name: string, said: T): (T & Boundary)[] {
  return STATEMENT.map(at => ({ name: `${name}, ${at}`, ...said, at }))
}

/** The statement in its transaction, and both ends of the commit. */
export function aroundCommit<T extends Said>(name: string, said: T): (T & Boundary)[] {
  return TRANSACTION.map(at => ({ name: `${name}, ${at}`, ...said, at }))
}
/**
 * What happens at a boundary: the process dies, and its queue is lost or still holds the job that
 * died with it; its connections break; or its database dies.
 */
export type Blow = 'kill' | 'kill, queue kept' | 'cut' | 'kill database'

/** Whether the process itself ends. */
export function isDeadly(blow: Blow): boolean {
  return blow === 'kill' || blow === 'kill, queue kept'
}

/** Watches the traffic of one process, and strikes it at a boundary. */
export type Striker = {
  readonly arm: (boundary: Boundary, blow: Blow) => void
  /** A process that was started again is alive; until then the dead one says and hears nothing. */
  readonly revive: () => void
  readonly hasStruck: () => boolean
  /** What a tap of that server does with a chunk. */
  readonly tap: (server: string) => (way: Direction, chunk: Buffer, connection: number) => Verdict
}

/** @param strikeNow must end the process, or break its connections, at once */
export function striker(strikeNow: (blow: Blow) => void): Striker {
  let armed: Boundary | null = null
  let blow: Blow = 'kill'
  let said: { readonly connection: number; readonly isCommitting: boolean } | null = null
  let dead = false

  function strike(): Verdict {
    dead = isDeadly(blow)
    armed = null
    said = null
    strikeNow(blow)
    return 'drop'
  }

  function asked({ says, at }: Boundary, chunk: Buffer, connection: number): Verdict {
    const text = chunk.toString('latin1')
    if (said === null) {
      if (typeof says === 'string' ? !text.includes(says) : !says.test(text)) return 'pass'
      if (at === 'asked') return strike()
      said = { connection, isCommitting: false }
    } else if (said.connection === connection && hasWord(text, 'commit')) {
      if (at === 'committing') return strike()
      said = { connection, isCommitting: true }
    } else if (said.connection === connection && hasWord(text, 'rollback')) said = null
    return 'pass'
  }

  function answered({ at }: Boundary, connection: number): Verdict {
    if (said?.connection !== connection) return 'pass'
    const isIt = at === 'answered' || (at === 'committed' && said.isCommitting)
    return isIt ? strike() : 'pass'
  }

  return {
    arm: (boundary, withBlow) => {
      armed = boundary
      blow = withBlow
      said = null
    },
    revive: () => {
      dead = false
    },
    hasStruck: () => armed === null,
    tap: server => (way, chunk, connection) => {
      if (dead) return 'drop'
      if (armed?.server !== server) return 'pass'
      return way === 'to server' ? asked(armed, chunk, connection) : answered(armed, connection)
    },
  }
}

/** The statements that end a transaction are short; the word elsewhere means something else. */
function hasWord(text: string, word: string): boolean {
  return text.length < STATEMENT_BYTES_MAX && text.includes(word)
}
const STATEMENT_BYTES_MAX = 64
