import { unreachable } from '../../../lib/assert.ts'
import { sats } from '../../../lib/money.ts'
import { parseThunderAddress } from '../../../lib/thunder/address.ts'
import type { Destination } from '../../rail.ts'

/** Thunder has no dust limit: an output of one satoshi is as good as any. */
const DUST = sats(1n)

/**
 * Whether a payee, or a destination it chose, is a Thunder address. Both forms are read, and what
 * is paid to is always the bare one, the only one that Thunder knows.
 */
export function parseThunderDestination(text: string): Destination {
  const read = parseThunderAddress(text)
  switch (read.kind) {
    case 'thunder':
      return { kind: 'payable', canonical: read.address, dust: DUST }
    case 'refused':
      return { kind: 'unpayable', reason: `it ${read.reason}` }
    case 'not thunder':
      return { kind: 'unpayable', reason: 'not a Thunder address' }
    default:
      return unreachable(read)
  }
}
