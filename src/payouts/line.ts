import { chartAccount, type Entry, type Leg, mergeLegs, minerAccount } from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { type BatchId, journalKey, type UnixMs } from '../lib/ids.ts'
import { allot, type Millisats, millisats, msatsFromSats, sats } from '../lib/money.ts'
import type { PayoutFacts } from './payout.ts'
import type { RailBooks } from './rail.ts'

/** A payee's part of a batch whose payees are paid each for itself. */
export type Line = {
  readonly batch: BatchId
  /** Its place in the manifest, from 0. */
  readonly payee: number
  readonly books: RailBooks
  readonly payouts: readonly PayoutFacts[]
}

/** How a line came to its end. */
export type LineEnd =
  /** The payee has it; `fee` is what it cost. */
  | { readonly kind: 'settled'; readonly fee: Millisats }
  /** Proven: it never will be paid in this batch. */
  | { readonly kind: 'released' }

/**
 * What the end of a line books. When the batch was prepared, the amounts of all lines and the
 * largest fees had left the float.
 *
 * ```
 * settled    inflight gross → out: amount + fee, fee, charge; what was charged above the fee → payable
 * released   inflight gross → payable; out → float: amount
 * ```
 *
 * A payee is charged what its payment cost and no more; what was kept for it goes back to it.
 */
export function lineEntry(line: Line, end: LineEnd, at: UnixMs): Entry {
  const legs = legsOf(line, end)
  assert(
    legs.reduce((sum, leg) => sum + leg.amount, 0n) === 0n,
    'the legs of an entry of a line sum to zero',
  )
  return {
    key: journalKey(`batch:${line.batch}:${line.payee}:ended`),
    event: `payout ${end.kind}`,
    legs: mergeLegs(legs),
    at,
  }
}

function legsOf(line: Line, end: LineEnd): Leg[] {
  const { books, payouts } = line
  const inflight = payouts.map(({ account, amount, charge }) => ({
    account: minerAccount(account, 'inflight'),
    amount: msatsFromSats(sats(amount + charge)),
  }))
  const paid = payouts.reduce((sum, { amount }) => sum + msatsFromSats(amount), 0n)
  switch (end.kind) {
    case 'settled': {
      const { charged, back } = chargesOf(payouts, end.fee)
      return [
        ...inflight,
        ...back,
        { account: books.out, amount: millisats(-paid - end.fee) },
        { account: books.fee, amount: end.fee },
        { account: chartAccount('payoutFees'), amount: millisats(-charged) },
      ]
    }
    case 'released':
      return [
        ...inflight,
        ...payouts.map(({ account, amount, charge }) => ({
          account: minerAccount(account, 'payable'),
          amount: millisats(-msatsFromSats(sats(amount + charge))),
        })),
        { account: books.out, amount: millisats(-paid) },
        { account: books.float, amount: millisats(paid) },
      ]
    default:
      return unreachable(end)
  }
}

/** What of a fee is the payees', and what of their charges goes back to each. */
function chargesOf(
  payouts: readonly PayoutFacts[],
  fee: Millisats,
): { readonly charged: bigint; readonly back: Leg[] } {
  const charges = payouts.map(({ charge }) => msatsFromSats(charge))
  const held = charges.reduce((sum, charge) => sum + charge, 0n)
  const charged = held < fee ? held : fee
  const parts = held === 0n ? [] : allot(held - charged, charges)
  const back = parts.flatMap((part, index) => {
    const payout = payouts[index]
    assert(payout !== undefined, 'there is a part for each payout')
    return { account: minerAccount(payout.account, 'payable'), amount: millisats(-part) }
  })
  return { charged, back }
}
