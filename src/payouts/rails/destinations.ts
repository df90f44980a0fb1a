import type { Network } from '../../lib/bitcoin/network.ts'
import type { Destinations } from '../settings.ts'
import { parseDestination } from './l1/destination.ts'
import { parseLightningDestination } from './lightning/destination.ts'
import { parseThunderDestination } from './thunder/destination.ts'

/** How each rail there is reads a destination, whether this pool has it or not. */
export function railDestinations(network: Network): Destinations {
  return new Map([
    ['l1', text => parseDestination(text, network)],
    ['thunder', parseThunderDestination],
    ['lightning', text => parseLightningDestination(text, network)],
  ])
}
