import { blake3 } from '@noble/hashes/blake3.js'
import { withdrawalId } from '../../../lib/bitcoin/drivechain.ts'
import { opReturn } from '../../../lib/bitcoin/script.ts'
import type { Output as MainOutput } from '../../../lib/bitcoin/tx.ts'
import { toHex } from '../../../lib/bytes.ts'
import type { Txid } from '../../../lib/ids.ts'
import { vecBytes } from '../../../lib/thunder/borsh.ts'
import type { Coin } from '../../../lib/thunder/json.ts'
import { outPointBytes } from '../../../lib/thunder/transaction.ts'

/** Withdrawals that leave for the main chain together. */
export type Bundle = {
  /** What miners vote on; display order. */
  readonly m6id: Txid
  readonly spends: readonly Coin[]
  /** Satoshis that the treasury pays the main chain's miners. */
  readonly fee: bigint
  /** The M6's outputs after its treasury's: a commitment to what is spent, then the payees. */
  readonly payouts: readonly MainOutput[]
}

/** Of the main chain's transaction; what does not fit waits for the next bundle. */
const WEIGHT_MAX = 400_000
/** A treasury input, both first outputs, version, counts and locktime. */
const FIXED_BYTES = 4 + 1 + 41 + 3 + 43 + 19 + 4
const WEIGHT_PER_BYTE = 4
const KINDS = ['regular', 'coinbase', 'deposit']

/**
 * All withdrawals that wait, as one bundle, or null without any. Payees are ordered by what they
 * pay the miners, then by amount; several withdrawals to one script are one output.
 *
 * Source: thunder-rust, lib/state/two_way_peg_data.rs, collect_withdrawal_bundle; the real node
 * orders equals by address, this one by script.
 */
export function collectBundle(coins: readonly Coin[], height: number): Bundle | null {
  const payees = new Map<string, Payee>()
  for (const coin of coins) {
    const { content } = coin.output
    if (content.kind !== 'withdrawal') continue
    const key = toHex(content.mainScript)
    const payee = payees.get(key) ?? {
      script: content.mainScript,
      key,
      value: 0n,
      fee: 0n,
      spends: [],
    }
    payees.set(key, {
      ...payee,
      value: payee.value + content.value,
      fee: payee.fee + content.mainFee,
      spends: [...payee.spends, coin],
    })
  }
  if (payees.size === 0) return null
  const taken: Payee[] = []
  let bytes = FIXED_BYTES
  for (const payee of [...payees.values()].sort(before)) {
    bytes += 8 + 1 + payee.script.length
    if (bytes * WEIGHT_PER_BYTE > WEIGHT_MAX) break
    taken.push(payee)
  }
  return bundleOf(taken, height)
}

type Payee = {
  readonly script: Uint8Array
  readonly key: string
  readonly value: bigint
  readonly fee: bigint
  readonly spends: readonly Coin[]
}

function before(a: Payee, b: Payee): number {
  if (a.fee !== b.fee) return a.fee > b.fee ? -1 : 1
  if (a.value !== b.value) return a.value > b.value ? -1 : 1
  return a.key > b.key ? -1 : 1
}

function bundleOf(payees: readonly Payee[], height: number): Bundle {
  const spends = payees.flatMap(payee => payee.spends).sort(byOutPoint)
  // The height is committed to as if it were a coin, so that no two bundles are ever the same.
  const marker = outPointBytes({ kind: 'regular', hash: '0'.repeat(64), vout: height })
  const commitment = blake3(vecBytes([...spends.map(s => outPointBytes(s.outPoint)), marker]))
  const payouts = [
    { value: 0n, script: opReturn(commitment) },
    ...payees.map(({ value, script }) => ({ value, script })),
  ]
  const fee = payees.reduce((sum, payee) => sum + payee.fee, 0n)
  const total = payouts.reduce((sum, { value }) => sum + value, fee)
  const m6id = withdrawalId({ version: 2, locktime: 0, treasury: 0n, payouts }, total)
  return { m6id, spends, fee, payouts }
}

function byOutPoint(a: Coin, b: Coin): number {
  const key = ({ outPoint: { kind, hash, vout } }: Coin) =>
    `${KINDS.indexOf(kind)}${hash}${String(vout).padStart(10, '0')}`
  return key(a) < key(b) ? -1 : 1
}
