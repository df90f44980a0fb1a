import type { AccountId, SessionId, UnixMs, WorkerId } from '../../lib/ids.ts'
import type { RejectReason } from '../../statement/index.ts'
import type { FinderTerms, PayFinder } from '../finder-coinbase.ts'
import type { Job } from '../job.ts'
import type { JobLookup } from '../live-jobs.ts'
import type { Candidate, ShareVerdict } from '../share.ts'
import type { VardiffRule } from '../vardiff.ts'
import type { Channel, DifficultyStep } from './channel.ts'
import type { Ladder } from './ladder.ts'
import type { Request } from './messages.ts'
import type { Reply, RequestId } from './replies.ts'

/** A name that the session's miner authorized, and where its shares are booked. */
export type Worker = { readonly accountId: AccountId; readonly workerId: WorkerId }

/** One connection, from its first byte to its last. Plain data: a step gives the next one. */
export type Session = {
  readonly phase: Phase
  readonly connectedAt: UnixMs
  readonly lastLineAt: UnixMs
  /** The port's rule, with the miner's own minimum. */
  readonly rule: VardiffRule
  /** Version bits that the miner may roll, as far as a job leaves them free; 0 without BIP 310. */
  readonly versionMask: number
  /** The mask it was last told; null before it asked. */
  readonly announcedMask: number | null
  /** The newest job, handed out as soon as it can be; null while there is no work. */
  readonly job: Job | null
  /** Set by the first authorize: a session serves one payee. */
  readonly accountId: AccountId | null
  readonly coinbase: Coinbase
  readonly workers: ReadonlyMap<string, Worker>
  /** Names sent to be authorized and not answered yet. */
  readonly authorizing: readonly string[]
  /** Accepted shares of theirs, which are recorded once it is known for whom. */
  readonly early: readonly EarlyShare[]
  /** Names that were refused, of the whole connection. */
  readonly refusedNames: number
  readonly linesUnauthorized: number
  readonly gibberishLines: number
  /** A share of it was accepted. */
  readonly isProven: boolean
  readonly ladder: Ladder
  /** The next job goes out with everything that belongs to it, and drops what the miner has. */
  readonly isToldAgain: boolean
  /** As it named itself, or answered when asked; empty when neither. */
  readonly agent: string
  /** It can be given another extranonce1 within its connection. */
  readonly takesExtranonce: boolean
  readonly pingedAt: UnixMs | null
  /** It has answered a ping before. */
  readonly answersPings: boolean
}

/** Whom the coinbases of a session's jobs pay. */
export type Coinbase =
  | { readonly kind: 'pool' }
  /** Until it is known who that is, no job goes out. */
  | { readonly kind: 'finder'; readonly terms: FinderTerms | null }

export type Phase =
  | { readonly kind: 'new' }
  /** Subscribed, its lease not committed: what comes meanwhile waits, so that answers keep order. */
  | {
      readonly kind: 'opening'
      readonly requestId: RequestId
      readonly waiting: readonly Request[]
    }
  | {
      readonly kind: 'open'
      readonly channel: Channel
      readonly resumeToken: Uint8Array
      /** A new lease, which the next job begins. */
      readonly next: Lease | null
      /** The lease before, to which shares on jobs from before that time belong. */
      readonly former: { readonly channel: Channel; readonly untilMs: UnixMs } | null
    }
  | { readonly kind: 'closed' }

/** What the store committed for a session: new, or the one that the miner came back to. */
export type Lease = {
  readonly sessionId: SessionId
  readonly resumeToken: Uint8Array
  readonly extranonce1: Uint8Array
  readonly steps: readonly DifficultyStep[]
  /** Set for a session that came back and had authorized. */
  readonly accountId: AccountId | null
  /** Set with the account where coinbases pay their finder. */
  readonly finder: FinderTerms | null
}

/** A submission on its way through check and commit, with what its reply needs. */
export type PendingShare = {
  readonly sessionId: SessionId
  readonly requestId: RequestId
  /** Null where the name is not authorized: then it is only looked at as a possible block. */
  readonly worker: Worker | null
  /** The name, where it was asked for and not answered yet. */
  readonly awaits: string | null
  readonly candidate: Candidate
  readonly receivedAt: UnixMs
}

/** A share that was submitted, and is accepted, before its worker is known. */
export type EarlyShare = {
  readonly pending: PendingShare
  readonly verdict: Extract<ShareVerdict, { kind: 'accepted' }>
  readonly answers: readonly NodeAnswer[]
}

/** What one node said of a block. */
export type NodeAnswer = {
  readonly node: string
  readonly accepted: boolean
  readonly text: string
}

export type CommitOutcome =
  | 'committed'
  /** Another process, or an earlier life of this one, has it already. */
  | 'duplicate'
  /** The database was away for longer than shares wait. */
  | 'unavailable'

export type AuthorizeAnswer =
  | {
      readonly kind: 'authorized'
      readonly worker: Worker
      /** Null where coinbases pay the pool. */
      readonly finder: FinderTerms | null
    }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unavailable' }

export type SessionEvent =
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'overlong line' }
  /** Every few seconds: time limits and vardiff. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'job'; readonly job: Job }
  | { readonly kind: 'opened'; readonly lease: Lease }
  | { readonly kind: 'not opened' }
  | {
      readonly kind: 'authorize answered'
      readonly requestId: RequestId
      readonly username: string
      readonly wishLog2: number | null
      readonly answer: AuthorizeAnswer
    }
  | { readonly kind: 'verdict'; readonly pending: PendingShare; readonly verdict: ShareVerdict }
  | {
      readonly kind: 'block answered'
      readonly pending: PendingShare
      readonly verdict: ShareVerdict
      readonly answers: readonly NodeAnswer[]
    }
  | {
      readonly kind: 'recorded'
      readonly pending: PendingShare
      readonly verdict: ShareVerdict
      readonly outcome: CommitOutcome
    }
  | { readonly kind: 'step saved'; readonly step: DifficultyStep; readonly ok: boolean }
  /** Another connection presented its session's token, and has its lease now. */
  | { readonly kind: 'lease taken' }
  /** This process is about to end, and others go on. */
  | { readonly kind: 'drain' }
  | { readonly kind: 'closed' }

/** What the shell does for the session. It does them in the order given. */
export type Effect =
  | { readonly kind: 'send'; readonly reply: Reply<Job> }
  /** Commit a lease, or find the one of the token; answered by `opened` or `not opened`. */
  | {
      readonly kind: 'open'
      readonly agent: string
      readonly resumeToken: Uint8Array | null
      readonly startLog2: number
      /** Known, with whom its coinbases pay, where an open session needs another lease. */
      readonly accountId: AccountId | null
      readonly finder: FinderTerms | null
    }
  | {
      readonly kind: 'authorize'
      readonly sessionId: SessionId
      readonly requestId: RequestId
      readonly username: string
      readonly wishLog2: number | null
    }
  /** Answered by `verdict`. */
  | { readonly kind: 'check'; readonly pending: PendingShare }
  /** To every node, before anything else becomes of the share; answered by `block answered`. */
  | {
      readonly kind: 'submit block'
      readonly pending: PendingShare
      readonly verdict: ShareVerdict
    }
  /** Commit the share if it is accepted, and the block if there is one; answered by `recorded`. */
  | {
      readonly kind: 'record'
      /** The finder, should it be a block. */
      readonly accountId: AccountId | null
      readonly pending: PendingShare
      readonly verdict: ShareVerdict
      readonly answers: readonly NodeAnswer[]
    }
  /** It was accepted and never recorded: sent again, it is no duplicate. */
  | {
      readonly kind: 'forget'
      readonly pending: PendingShare
      readonly verdict: ShareVerdict
    }
  | {
      readonly kind: 'count reject'
      readonly sessionId: SessionId
      readonly worker: Worker
      readonly reason: RejectReason
    }
  | {
      readonly kind: 'save steps'
      readonly sessionId: SessionId
      readonly steps: readonly DifficultyStep[]
      /** The one that is new; answered by `step saved`. */
      readonly step: DifficultyStep
    }
  | { readonly kind: 'name agent'; readonly sessionId: SessionId; readonly agent: string }
  /** Counts against the address; a hang-up follows. */
  | { readonly kind: 'strike' }
  | { readonly kind: 'hang up'; readonly reason: string }

export type Step = { readonly session: Session; readonly effects: readonly Effect[] }

/** What a step may look at besides the session: the time, and the jobs there are. */
export type World = {
  readonly now: UnixMs
  readonly findJob: (wireId: string, now: UnixMs) => JobLookup
  readonly payFinder: PayFinder
}
