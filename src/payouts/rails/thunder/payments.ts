import { assert } from '../../../lib/assert.ts'
import { parseBareAddress, type ThunderAddress } from '../../../lib/thunder/address.ts'
import type { Output } from '../../../lib/thunder/transaction.ts'
import type { Manifest } from '../../../treasury/index.ts'

/** An address that was planned with, so it is one, in its bare form. */
export function plannedAddress(text: string): ThunderAddress {
  const address = parseBareAddress(text)
  assert(address !== null && address === text, 'only bare addresses are planned')
  return address
}

/** What every version of a batch pays, in its order. */
export function paymentsOf({ payees }: Pick<Manifest, 'payees'>): readonly Output[] {
  return payees.map(({ destination, amount }) => ({
    address: plannedAddress(destination),
    content: { kind: 'value', value: amount },
  }))
}
