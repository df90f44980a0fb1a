import { createSHA256 } from 'hash-wasm'
import { toHex } from '../lib/bytes.ts'
import type { RejectReason } from '../statement/index.ts'
import type { Duplicates } from './duplicates.ts'
import type { Job } from './job.ts'
import { blockTarget, isAtMost, previousBlockLe, shareTarget } from './share-target.ts'

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
  readonly hashHex: string
  /** It meets the block target: submit it before anything else, whatever the verdict. */
  readonly isBlock: boolean
}

/** The one value that a share's credit comes from: accepted, and at which difficulty. */
export type ShareVerdict =
  | { readonly kind: 'accepted'; readonly proof: Proof; readonly difficultyLog2: number }
  | { readonly kind: 'rejected'; readonly proof: Proof; readonly refusal: Refusal }

/** Judges what arrived together; a hasher of several lanes fits behind this shape. */
export type CheckShares = (candidates: readonly Candidate[]) => readonly ShareVerdict[]

/**
 * @param seen gains the hash of every share accepted; a share of too low a difficulty is judged
 *   before, so that it takes no room there
 */
export async function createShareCheck(seen: Duplicates): Promise<CheckShares> {
  const sha256 = await createSHA256()
  const sha256d = (bytes: Uint8Array) => {
    const once = sha256.init().update(bytes).digest('binary')
    return sha256.init().update(once).digest('binary')
  }
  return candidates => candidates.map(candidate => judge(candidate, seen, sha256d))
}

type Hash = (bytes: Uint8Array) => Uint8Array

function judge(candidate: Candidate, seen: Duplicates, sha256d: Hash): ShareVerdict {
  const { job, difficultyLog2 } = candidate
  const header = headerOf(candidate, sha256d)
  const hash = sha256d(header).reverse()
  const isBlock = isAtMost(hash, blockTarget(job.template))
  const proof: Proof = { header, hash, hashHex: toHex(hash), isBlock }
  const rejected = (refusal: Refusal): ShareVerdict => ({ kind: 'rejected', proof, refusal })
  if (candidate.refusal !== null) return rejected(candidate.refusal)
  if (!isAtMost(hash, shareTarget(difficultyLog2))) return rejected('low-difficulty')
  if (!seen.add(job.template.height, proof.hashHex)) return rejected('duplicate')
  return { kind: 'accepted', proof, difficultyLog2 }
}

/**
 * The 80 bytes: version, previous block, merkle root, time, bits, nonce; integers little-endian,
 * hashes in internal order. Vectors: blocks 1 and 170 in test/pool/share.test.ts.
 */
function headerOf(candidate: Candidate, sha256d: Hash): Uint8Array {
  const { job } = candidate
  const header = new Uint8Array(80)
  const view = new DataView(header.buffer)
  view.setUint32(0, candidate.version, true)
  header.set(previousBlockLe(job.template), 4)
  header.set(merkleRoot(candidate, sha256d), 36)
  view.setUint32(68, candidate.time, true)
  view.setUint32(72, job.template.bits, true)
  view.setUint32(76, candidate.nonce, true)
  return header
}

function merkleRoot({ job, extranonce1, extranonce2 }: Candidate, sha256d: Hash): Uint8Array {
  const coinbase = new Uint8Array(
    job.coinbase1.length + extranonce1.length + extranonce2.length + job.coinbase2.length,
  )
  coinbase.set(job.coinbase1)
  coinbase.set(extranonce1, job.coinbase1.length)
  coinbase.set(extranonce2, job.coinbase1.length + extranonce1.length)
  coinbase.set(job.coinbase2, job.coinbase1.length + extranonce1.length + extranonce2.length)
  const pair = new Uint8Array(64)
  pair.set(sha256d(coinbase))
  for (const branch of job.template.branches) {
    pair.set(branch, 32)
    pair.set(sha256d(pair))
  }
  return pair.subarray(0, 32)
}
