import type { CoinManifest } from '../../../approval/index.ts'
import { assert } from '../../../lib/assert.ts'
import type { Sats } from '../../../lib/money.ts'
import { parseBareAddress, type ThunderAddress } from '../../../lib/thunder/address.ts'
import { scriptOfMainAddress } from '../../../lib/thunder/main-address.ts'
import type { Output } from '../../../lib/thunder/transaction.ts'

/** An address that was planned with, so it is one, in its bare form. */
export function plannedAddress(text: string): ThunderAddress {
  const address = parseBareAddress(text)
  assert(address !== null && address === text, 'only bare addresses are planned')
  return address
}

/** What of a manifest says whom a version pays. */
export type Payments = Pick<CoinManifest, 'payees' | 'purpose' | 'change'>

/**
 * What every version of a batch pays, in its order. A withdrawal is an output of its own kind: it
 * waits there, as ours, for a bundle that pays its address on the main chain.
 *
 * @param mainFee what a withdrawal gives the main chain's miners; nothing for any other batch
 */
export function paymentsOf(
  { payees, purpose, change }: Payments,
  mainFee: Sats,
): readonly Output[] {
  assert(mainFee === 0n || purpose === 'withdrawal', 'only a withdrawal has a main fee')
  if (purpose !== 'withdrawal')
    return payees.map(({ destination, amount }) => ({
      address: plannedAddress(destination),
      content: { kind: 'value', value: amount },
    }))
  return payees.map(({ destination, amount }) => {
    const mainScript = scriptOfMainAddress(destination)
    assert(mainScript !== null, 'a withdrawal is planned to an address of the main chain')
    const content = { kind: 'withdrawal', value: amount, mainFee, mainScript } as const
    return { address: plannedAddress(change), content }
  })
}
