import { assert } from '../lib/assert.ts'
import { HEADER_BYTES, headerHash, parseHeader } from '../lib/bitcoin/header.ts'
import { difficultyLog2AtMost, targetFromNbits } from '../lib/bitcoin/target.ts'
import { coinbaseOfBlock, type Output, withCoinbaseWitness } from '../lib/bitcoin/tx.ts'
import { bigintFromLe, concat, equalBytes, fromHex, reversed } from '../lib/bytes.ts'
import { type BlockHash, type UnixMs, unixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { type CoinbaseHalves, readCoinbase } from './coinbase.ts'
import { type FinderTerms, type PaidFinder, readPaidFinder } from './finder-coinbase.ts'

/** A block of the chain that may be ours, with all that the chain says of it. */
export type ChainBlock = {
  readonly hash: BlockHash
  readonly height: number
  readonly header: Uint8Array
  readonly previousBlock: BlockHash
  readonly minedAt: UnixMs
  readonly bits: number
  readonly coinbase: Uint8Array
  readonly extranonce1: Uint8Array
  readonly extranonce2: Uint8Array
  /** What its coinbase pays to us; null where it has no output to us. */
  readonly value: Sats | null
  readonly outputs: readonly Output[]
}

/** Whose a block is: what it pays us, and what it paid its finder. */
export type Claim = {
  readonly value: Sats
  readonly paid: PaidFinder | null
  /** Its extranonce1 is that of a session whose jobs would pay otherwise: nobody we know made it. */
  readonly isUnexplained: boolean
}

/** From which time on jobs of a session were enforced at a difficulty. */
export type DifficultyInForce = { readonly from: UnixMs; readonly difficultyLog2: number }

/**
 * Reads a raw block. Ours is one whose coinbase has our layout, and pays our script or, by the terms
 * of its session, its finder.
 *
 * @returns null when it is anyone else's, whatever sessions there are
 */
export function readOurLayout(block: Uint8Array, payScript: Uint8Array): ChainBlock | null {
  const coinbase = coinbaseOfBlock(block)
  const reading = coinbase && readCoinbase(coinbase, payScript)
  if (!reading || reading.kind === 'foreign') return null
  const header = block.slice(0, HEADER_BYTES)
  const { previousBlock, time, bits } = parseHeader(header)
  return {
    hash: headerHash(header),
    height: reading.height,
    header,
    previousBlock,
    minedAt: unixMs(time * 1000),
    bits,
    coinbase,
    extranonce1: reading.extranonce1,
    extranonce2: reading.extranonce2,
    value: reading.kind === 'ours' ? reading.value : null,
    outputs: reading.outputs,
  }
}

/**
 * Whether a block in our layout is ours, given the terms of the session that it names.
 *
 * @param terms null where the session's coinbases pay the pool, or no session is known
 * @returns null where it is a stranger's
 */
export function claimOf({ value, outputs }: ChainBlock, terms: FinderTerms | null): Claim | null {
  const paid = terms && readPaidFinder(outputs, value ?? sats(0n), terms)
  if (paid !== null) return { value: value ?? sats(0n), paid, isUnexplained: false }
  return value === null ? null : { value, paid: null, isUnexplained: terms !== null }
}

/** Whether the block's coinbase is the one that this job made with the block's extranonces. */
export function isFromJob(block: ChainBlock, { coinbase1, coinbase2 }: CoinbaseHalves): boolean {
  const whole = concat(coinbase1, block.extranonce1, block.extranonce2, coinbase2)
  return equalBytes(block.coinbase, whole) || equalBytes(block.coinbase, withCoinbaseWitness(whole))
}

/**
 * The target that the block was mined against: its template's, where that is stored and the block
 * meets it, else the expansion of its bits.
 */
export function targetOfBlock(block: ChainBlock, templateTarget: bigint | null): bigint {
  const hash = bigintFromLe(reversed(fromHex(block.hash)))
  if (templateTarget !== null && hash <= templateTarget) return templateTarget
  const target = targetFromNbits(block.bits)
  if (target === null) throw new Error(`block ${block.hash} has bits that no block can have`)
  return target
}

/**
 * The difficulty that a lost share is credited with: the one that was enforced for its job, and
 * where the job is lost too, the lowest that the session ever had. Crediting the block's own
 * difficulty would pay one lucky hash as much as a whole block's work.
 *
 * @param steps in order of time, never empty; before the first one the first holds
 * @param jobMadeAt null when the job is lost
 * @returns never above the block's own difficulty, which the hash proves
 */
export function creditedDifficulty(
  steps: readonly DifficultyInForce[],
  jobMadeAt: UnixMs | null,
  blockTarget: bigint,
): number {
  assert(steps.length > 0, 'a session has a difficulty')
  const known = steps.filter(
    (step, index) => jobMadeAt === null || index === 0 || step.from <= jobMadeAt,
  )
  const difficulties = known.map(step => step.difficultyLog2)
  const enforced = jobMadeAt === null ? difficulties : difficulties.slice(-1)
  return Math.min(...enforced, difficultyLog2AtMost(blockTarget))
}
