import { unreachable } from '../../lib/assert.ts'
import type { Waiting } from '../../payouts/index.ts'

/** When a reason to wait ends, on the clock that decides it. */
type Expected =
  | { readonly kind: 'height'; readonly height: number }
  | { readonly kind: 'time'; readonly atMs: number }

/** Why an account waits, as programs and people read it. */
export function waitingJson(waiting: Waiting) {
  return {
    kind: waiting.kind,
    detail: waitingText(waiting),
    batch: waiting.kind === 'under way' ? waiting.batch.toString() : null,
    expected: expectedOf(waiting),
  }
}

function expectedOf(waiting: Waiting): Expected | null {
  if (waiting.kind === 'cooling off' || waiting.kind === 'failed')
    return { kind: 'time', atMs: waiting.until }
  if (waiting.kind !== 'interval') return null
  const { next } = waiting
  return next.kind === 'time' ? { kind: 'time', atMs: next.at } : next
}

/** A sentence about why an account waits; without the time, which stands beside it. */
export function waitingText(waiting: Waiting): string {
  switch (waiting.kind) {
    case 'under way':
      return STATES[waiting.state]
    case 'paused':
      return 'paused by the payee’s settings'
    case 'no destination':
      return `nowhere to pay: ${waiting.reason}`
    case 'failed':
      return `it was tried not long ago: ${waiting.reason}`
    case 'cooling off':
      return 'the destination was changed not long ago'
    case 'below minimum':
      return `less than ${waiting.minimum} sat is payable`
    case 'interval':
      return 'the interval is not over'
    case 'frozen':
      return `payouts are frozen: ${waiting.reason}`
    case 'fee above wish':
      return `fees are ${waiting.feeRateSatPerKvb} sat per 1000 vbytes, above the wish of ${waiting.wish}`
    case 'limit':
      return 'a limit of the treasury holds it back'
    case 'next plan':
      return 'due with the next plan, as far as coins reach'
    default:
      return unreachable(waiting)
  }
}

const STATES = {
  planned: 'waits for the operators’ approval',
  approved: 'approved, and waits to be signed',
  prepared: 'signed, and about to be sent',
  sent: 'sent, and waits for confirmations',
  uncertain: 'sent, and nobody has it now: it is sent again',
  settled: 'paid',
  released: 'not sent; it is payable again',
} as const
