import { assert } from '../lib/assert.ts'
import { outputBytes, parseCoinbase } from '../lib/bitcoin/tx.ts'
import { concat, equalBytes, toHex } from '../lib/bytes.ts'
import { type Sats, sats } from '../lib/money.ts'
import { coinbaseFee } from '../statement/index.ts'
import {
  type CoinbaseHalves,
  EXTRANONCE1_BYTES,
  EXTRANONCE2_BYTES,
  secondHalf,
} from './coinbase.ts'
import type { Job } from './job.ts'

/** Whom a session's coinbases pay instead of the pool; fixed with the session's first authorize. */
export type FinderTerms = {
  /** Output script of the finder's address. */
  readonly script: Uint8Array
  /** What the pool takes, as a second output. */
  readonly feeBasisPoints: number
}

/** Terms as a row of sessions has them: both or none. */
export function termsOf(row: {
  readonly finder_script: Uint8Array | null
  readonly finder_fee_basis_points: number | null
}): FinderTerms | null {
  const { finder_script: script, finder_fee_basis_points: feeBasisPoints } = row
  if (script === null || feeBasisPoints === null) return null
  return { script: new Uint8Array(script), feeBasisPoints }
}

/** What a coinbase pays its finder, and by which terms. */
export type PaidFinder = FinderTerms & { readonly amount: Sats }

/** Whom the coinbases of a port's jobs pay: what its scheme's reward pool is configured to. */
export type CoinbasePays = 'pool' | 'finder'

/** The longest script that an address of ours stands for: a witness program of 32 bytes. */
const SCRIPT_BYTES_MAX = 34

/** Halves of a coinbase that pays a finder, and what it pays. */
export type FinderHalves = CoinbaseHalves & { readonly paid: PaidFinder }

/**
 * A coinbase that pays the pool, made one that pays a finder: in the place of our output stands the
 * finder's, then ours with the fee if there is one. All else stays byte for byte, so that what a
 * block says of sidechains and witnesses holds for every finder.
 *
 * @param hasWitnessCommitment the output after ours; the last one is ours without it
 */
export function payFinder(
  { coinbase1, coinbase2 }: CoinbaseHalves,
  hasWitnessCommitment: boolean,
  terms: FinderTerms,
): FinderHalves {
  const extranonces = new Uint8Array(EXTRANONCE1_BYTES + EXTRANONCE2_BYTES)
  const outputs = parseCoinbase(concat(coinbase1, extranonces, coinbase2))?.outputs ?? []
  const place = outputs.length - (hasWitnessCommitment ? 2 : 1)
  const ours = outputs[place]
  assert(ours !== undefined, 'a coinbase of ours pays us')
  const fee = coinbaseFee(sats(ours.value), terms.feeBasisPoints)
  const amount = sats(ours.value - fee)
  const toFinder = { value: amount, script: terms.script }
  const feeOutput = fee > 0n ? [{ value: fee, script: ours.script }] : []
  const paying = outputs.toSpliced(place, 1, toFinder, ...feeOutput)
  return { coinbase1, coinbase2: secondHalf(paying), paid: { ...terms, amount } }
}

/** The same work for one finder. The job keeps its id, since a session knows whom it pays. */
export type PayFinder = (job: Job, terms: FinderTerms) => Job

/** Makes each finder's job once, so that all that is kept by job is kept for it too. */
export function createFinderJobs(): PayFinder {
  const made = new WeakMap<Job, Map<string, Job>>()
  return (job, terms) => {
    const known = made.get(job) ?? new Map<string, Job>()
    made.set(job, known)
    const key = `${terms.feeBasisPoints} ${toHex(terms.script)}`
    const finderJob = known.get(key) ?? {
      ...job,
      ...payFinder(job, job.template.witnessCommitment !== null, terms),
    }
    known.set(key, finderJob)
    return finderJob
  }
}

/** How much longer than one that pays the pool a finder's coinbase is at most. */
export function finderBytesMax(payScript: Uint8Array, fees: readonly number[]): number {
  const ours = outputBytes({ value: 0n, script: payScript }).length
  const finders = outputBytes({ value: 0n, script: new Uint8Array(SCRIPT_BYTES_MAX) }).length
  const lengths = fees.map(fee => finders - ours + (fee > 0 ? ours : 0))
  return Math.max(0, ...lengths)
}

/** What a coinbase's outputs pay to a script. */
function sumTo(outputs: CoinbaseOutputs, script: Uint8Array): bigint {
  return outputs
    .filter(output => equalBytes(output.script, script))
    .reduce((sum, { value }) => sum + value, 0n)
}

type CoinbaseOutputs = readonly { readonly value: bigint; readonly script: Uint8Array }[]

/**
 * What a coinbase on the chain pays the finder of these terms.
 *
 * @param toUs what its outputs to our script sum to; 0 where there are none
 * @returns null where it is not what these terms make of its whole, so that no job of ours made it
 */
export function readPaidFinder(
  outputs: CoinbaseOutputs,
  toUs: Sats,
  terms: FinderTerms,
): PaidFinder | null {
  if (!outputs.some(({ script }) => equalBytes(script, terms.script))) return null
  const amount = sats(sumTo(outputs, terms.script))
  const fee = coinbaseFee(sats(amount + toUs), terms.feeBasisPoints)
  return fee === toUs ? { ...terms, amount } : null
}
