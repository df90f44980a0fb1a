import { sha256d } from '../lib/bitcoin/hash.ts'
import type { RejectReason } from '../statement/index.ts'
import type { Duplicates } from './duplicates.ts'
import { headerOf, type Job } from './job.ts'
import { HEADER_BYTES, LANES, ROW_BYTES } from './lanes/program.ts'
import { createShareLanes, type ShareLanes } from './lanes/share-lanes.ts'
import { blockTarget, isAtMost, shareTarget } from './share-target.ts'

/** Why a share is refused. A worker that is not authorized has no account to count it under. */
export type Refusal = RejectReason | 'unauthorized'

/** A submission that names a job: all that its header follows from, and what it must meet. */
export type Candidate = {
  readonly job: Job
  readonly extranonce1: Uint8Array
  readonly extranonce2: Uint8Array
  /** Seconds since 1970. */
  readonly time: number
  readonly nonce: number
  /** The whole version, rolled bits included, unsigned. */
  readonly version: number
  /** The difficulty enforced for this job and session. */
  readonly difficultyLog2: number
  /** Already known to be wrong with it; it is hashed all the same, since it may be a block. */
  readonly refusal: Refusal | null
}

/** What the hash of a candidate showed. */
export type Proof = {
  /** 80 bytes as they are hashed. */
  readonly header: Uint8Array
  /** Display order: most significant byte first. */
  readonly hash: Uint8Array
  /** It meets the block target: submit it before anything else, whatever the verdict. */
  readonly isBlock: boolean
}

/** The one value that a share's credit comes from: accepted, and at which difficulty. */
export type ShareVerdict =
  | { readonly kind: 'accepted'; readonly proof: Proof; readonly difficultyLog2: number }
  | { readonly kind: 'rejected'; readonly proof: Proof; readonly refusal: Refusal }

/** Judges what arrived together; of two equal shares, the one that comes later is the duplicate. */
export type CheckShares = (candidates: readonly Candidate[]) => readonly ShareVerdict[]

/** Writes a row for each candidate at its place: its header, and its hash in display order. */
export type HashCandidates = (candidates: readonly Candidate[], rows: Uint8Array) => void

/**
 * @param seen gains the hash of every share accepted; a share of too low a difficulty is judged
 *   before, so that it takes no room there
 * @param hashAll four at once where this machine can, else one after another
 */
export function createShareCheck(
  seen: Duplicates,
  hashAll: HashCandidates = hashInLanes(createShareLanes()),
): CheckShares {
  return candidates => {
    const rows = new Uint8Array(candidates.length * ROW_BYTES)
    hashAll(candidates, rows)
    return candidates.map((candidate, index) =>
      judge(candidate, rows.subarray(index * ROW_BYTES, (index + 1) * ROW_BYTES), seen),
    )
  }
}

/** The plain way, which says what a row is: the header that a block is built with, and its hash. */
export const hashOneByOne: HashCandidates = (candidates, rows) => {
  for (const [index, candidate] of candidates.entries()) {
    const header = headerOf(candidate.job, candidate)
    rows.set(header, index * ROW_BYTES)
    rows.set(sha256d(header).reverse(), index * ROW_BYTES + HEADER_BYTES)
  }
}

/** Shares on one job go through the lanes together, in whatever order they came. */
export function hashInLanes(lanes: ShareLanes | null): HashCandidates {
  if (lanes === null) return hashOneByOne
  return (candidates, rows) => {
    for (const [job, indexes] of indexesByJob(candidates))
      for (let i = 0; i < indexes.length; i += LANES)
        lanes.hash(job, candidates, indexes.slice(i, i + LANES), rows)
  }
}

function indexesByJob(candidates: readonly Candidate[]): Map<Job, readonly number[]> {
  const byJob = new Map<Job, number[]>()
  for (const [index, { job }] of candidates.entries()) {
    const indexes = byJob.get(job)
    if (indexes) indexes.push(index)
    else byJob.set(job, [index])
  }
  return byJob
}

function judge(
  { job, difficultyLog2, refusal }: Candidate,
  row: Uint8Array,
  seen: Duplicates,
): ShareVerdict {
  const header = row.subarray(0, HEADER_BYTES)
  const hash = row.subarray(HEADER_BYTES)
  const proof: Proof = { header, hash, isBlock: isAtMost(hash, blockTarget(job.template)) }
  if (refusal !== null) return { kind: 'rejected', proof, refusal }
  if (!isAtMost(hash, shareTarget(difficultyLog2)))
    return { kind: 'rejected', proof, refusal: 'low-difficulty' }
  if (!seen.add(job.template.height, hash)) return { kind: 'rejected', proof, refusal: 'duplicate' }
  return { kind: 'accepted', proof, difficultyLog2 }
}
