import { assert } from '../lib/assert.ts'
import { sha256d } from '../lib/bitcoin/hash.ts'
import { buildHeader } from '../lib/bitcoin/header.ts'
import { merkleRoot } from '../lib/bitcoin/merkle.ts'
import { assembleBlockBytes, withCoinbaseWitness } from '../lib/bitcoin/tx.ts'
import { concat, fromHex, toHex } from '../lib/bytes.ts'
import { type JobId, jobId, type UnixMs } from '../lib/ids.ts'
import {
  buildCoinbase,
  type CoinbaseHalves,
  EXTRANONCE1_BYTES,
  EXTRANONCE2_BYTES,
} from './coinbase.ts'
import type { PaidFinder } from './finder-coinbase.ts'
import type { TemplateFacts, Work } from './template.ts'

/** Work as it is sent: everything to check a share on it and to build its block. */
export type Job = CoinbaseHalves & {
  readonly id: JobId
  /** The id on the wire: lower-case hex without leading zeros, its only spelling. */
  readonly wireId: string
  /** A row of `templates`. */
  readonly templateId: bigint
  readonly template: TemplateFacts
  /** Bits of the version that a miner may roll (BIP 320), none of them set in the template's. */
  readonly versionMask: number
  /** True when all earlier work became worthless, since the previous block changed. */
  readonly cleanJobs: boolean
  readonly createdAt: UnixMs
  /** Set where the coinbase pays its finder, and the pool its fee; else it pays the pool alone. */
  readonly paid: PaidFinder | null
}

/** The 80 header bytes follow from a job and these. */
export type HeaderChoice = {
  readonly extranonce1: Uint8Array
  readonly extranonce2: Uint8Array
  /** Seconds since 1970. */
  readonly time: number
  readonly nonce: number
  /** The whole version, rolled bits included, unsigned. */
  readonly version: number
}

/** Parameters of `mining.notify`, in the order and spelling of the wire. */
export type NotifyParams = readonly [
  jobId: string,
  previousBlock: string,
  coinbase1: string,
  coinbase2: string,
  branches: readonly string[],
  version: string,
  bits: string,
  time: string,
  cleanJobs: boolean,
]

/** Bits that miners may roll. Source: BIP 320. */
const ROLLABLE_BITS = 0x1fffe000
const COUNTER_BITS = 24n
/** A run makes a job every 30 seconds, so its counter ends after years; then it is a bug. */
const COUNTER_MAX = 2 ** Number(COUNTER_BITS) - 1
/** The run's number and its counter, together below 2^63. */
const RUN_MAX = 2n ** (63n - COUNTER_BITS) - 1n

/** Ids of a process's jobs, and of its templates likewise: they never repeat across restarts. */
export function numberInRun(run: bigint, counter: number): bigint {
  assert(run > 0n && run <= RUN_MAX, 'a run has a positive number of 39 bits')
  assert(counter > 0 && counter <= COUNTER_MAX, 'a counter has 24 bits')
  return (run << COUNTER_BITS) | BigInt(counter)
}

/**
 * Bits of a version that may be rolled: those of BIP 320 that the template leaves unset. Replacing,
 * OR-ing and XOR-ing the rolled bits, which firmwares do each in its own way, are then the same.
 */
export function versionMask(version: number): number {
  return (ROLLABLE_BITS & ~version) >>> 0
}

export type JobRequest = {
  readonly id: JobId
  readonly templateId: bigint
  readonly template: Work
  readonly tag: string
  readonly payScript: Uint8Array
  readonly cleanJobs: boolean
  readonly now: UnixMs
}

/** Makes a template into work; the last bytes of the id make its coinbase differ from any other. */
export function buildJob(request: JobRequest): Job {
  const { id, templateId, template, tag, payScript } = request
  const extraBytes = fromHex(BigInt.asUintN(32, id).toString(16).padStart(8, '0'))
  const { height, value, commitments, witnessCommitment } = template
  const halves = buildCoinbase({
    ...{ height, tag, extraBytes, payScript, value, commitments, witnessCommitment },
  })
  const { cleanJobs, now } = request
  return jobFrom({ id, templateId, template, ...halves, cleanJobs, createdAt: now })
}

/** A job of its stored parts, which pays the pool: what follows from them is worked out again. */
export function jobFrom(parts: Omit<Job, 'wireId' | 'versionMask' | 'paid'>): Job {
  const id = jobId(parts.id)
  const mask = versionMask(parts.template.version)
  return { ...parts, wireId: id.toString(16), versionMask: mask, paid: null }
}

/**
 * The job as `mining.notify` says it. The previous block's hash is in internal order with each
 * 4-byte word reversed; branches are in internal order; version, bits and time are the integers
 * in hex, most significant digit first. Vectors: test/vectors/notify.json.
 */
export function notifyParams(job: Job): NotifyParams {
  const { previousBlock, branches, version, bits } = job.template
  return [
    job.wireId,
    wordsReversed(previousBlock),
    toHex(job.coinbase1),
    toHex(job.coinbase2),
    branches.map(toHex),
    hex32(version),
    hex32(bits),
    hex32(jobTime(job)),
    job.cleanJobs,
  ]
}

/** The time that a job goes out with, in seconds: never below what the chain accepts. */
export function jobTime({ template }: Job): number {
  return Math.max(template.curTime, template.minTime)
}

function wordsReversed(displayHash: string): string {
  // Display order is the internal order reversed as a whole, so its words come in reverse.
  const words = displayHash.match(/.{8}/g) ?? []
  return words.reverse().join('')
}

function hex32(n: number): string {
  return n.toString(16).padStart(8, '0')
}

/** The coinbase as its txid sees it, without witness. */
export function coinbaseOf(
  job: Job,
  { extranonce1, extranonce2 }: Pick<HeaderChoice, 'extranonce1' | 'extranonce2'>,
): Uint8Array {
  assert(extranonce1.length === EXTRANONCE1_BYTES, 'extranonce1 has 4 bytes')
  assert(extranonce2.length === EXTRANONCE2_BYTES, 'extranonce2 has 8 bytes')
  return concat(job.coinbase1, extranonce1, extranonce2, job.coinbase2)
}

/** The 80 bytes that a share's hash is of. */
export function headerOf(job: Job, choice: HeaderChoice): Uint8Array {
  const { previousBlock, bits, branches } = job.template
  const root = merkleRoot(sha256d(coinbaseOf(job, choice)), branches)
  const { version, time, nonce } = choice
  return buildHeader({ version, previousBlock, merkleRoot: root, time, bits, nonce })
}

/**
 * The whole block of a share that meets the block target, as `submitblock` takes it. The coinbase
 * gets its witness back where the block commits to witnesses.
 */
export function assembleBlock(job: Job, choice: HeaderChoice): Uint8Array {
  const bare = coinbaseOf(job, choice)
  const coinbase = job.template.witnessCommitment === null ? bare : withCoinbaseWitness(bare)
  return assembleBlockBytes(headerOf(job, choice), coinbase, job.template.blockTransactions)
}
