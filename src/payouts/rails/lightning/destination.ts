import type { Network } from '../../../lib/bitcoin/network.ts'
import { parseLightning } from '../../../lib/lightning/destination.ts'
import { DESTINATION_SATS_MAX } from '../../../lib/lightning/exposure.ts'
import { sats } from '../../../lib/money.ts'
import type { Destination } from '../../rail.ts'

/**
 * Whether a payee, or a destination it chose, is paid over Lightning: a Lightning address (LUD-16).
 * An invoice has an amount of its own, so it is not one to be paid again and again.
 */
export function parseLightningDestination(text: string, network: Network): Destination {
  const parsed = parseLightning(text, network)
  switch (parsed.kind) {
    case 'address':
      return {
        ...{ kind: 'payable', canonical: parsed.address.text },
        ...{ dust: sats(1n), most: DESTINATION_SATS_MAX },
      }
    case 'invoice':
      return {
        kind: 'unpayable',
        reason: 'an invoice is for one payment: upload it, and name a Lightning address here',
      }
    case 'refused':
      return { kind: 'unpayable', reason: parsed.reason }
  }
}
