import type { CoinManifest } from '../../../approval/index.ts'
import { assert } from '../../../lib/assert.ts'
import { DUST_RELAY_SAT_PER_KVB, dustLimit, parseAddress } from '../../../lib/bitcoin/address.ts'
import type { Network } from '../../../lib/bitcoin/network.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import { parseThunderAddress } from '../../../lib/thunder/address.ts'
import type { Destination, Fees } from '../../rail.ts'
import { bareWeight, feeFor, inputWeight, outputWeight, type Payment } from './transaction.ts'

/**
 * Whether a payee, or a destination it chose, is an address of the network.
 *
 * @param dustRate the node's `dustrelayfee`, satoshis a thousand virtual bytes
 */
export function parseDestination(
  text: string,
  network: Network,
  dustRate: Sats = DUST_RELAY_SAT_PER_KVB,
): Destination {
  const parsed = parseAddress(text, network)
  if (parsed.kind !== 'address') return { kind: 'unpayable', reason: whyNot(parsed.kind, text) }
  return { kind: 'payable', canonical: parsed.text, dust: dustLimit(parsed.script, dustRate) }
}

/** A payee of another rail is told from what is nothing. */
function whyNot(kind: 'wrong network' | 'not an address', text: string): string {
  const isThunder = kind === 'not an address' && parseThunderAddress(text).kind !== 'not thunder'
  return isThunder ? 'a Thunder address is paid on Thunder only' : kind
}

/** The script of an address that was planned with, so it is one. */
export function addressScript(address: string, network: Network): Uint8Array {
  const parsed = parseAddress(address, network)
  assert(parsed.kind === 'address', 'only addresses of this network are planned')
  return parsed.script
}

/** What every version of a batch pays, in its order. */
export function paymentsOf(
  { payees }: Pick<CoinManifest, 'payees'>,
  network: Network,
): readonly Payment[] {
  return payees.map(({ destination, amount }) => ({
    script: addressScript(destination, network),
    amount,
  }))
}

/**
 * What the parts of a batch cost at a rate in satoshis a thousand virtual bytes.
 *
 * @param multisigWeight of an input of the wallet where it needs several signatures, or null
 */
export function feesAt(feeRate: Sats, network: Network, multisigWeight: number | null): Fees {
  const fee = (weight: number) => feeFor(weight, feeRate)
  return {
    base: fee(bareWeight()),
    ofCoin: coin => fee(inputWeight(coin.script, multisigWeight) ?? 0),
    ofPayee: destination => fee(outputWeight(addressScript(destination, network).length)),
    ofAmount: () => sats(0n),
  }
}
