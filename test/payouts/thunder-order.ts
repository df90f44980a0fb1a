import { sha256 } from '../../src/lib/bitcoin/hash.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import { bareAddress, type ThunderAddress } from '../../src/lib/thunder/address.ts'
import { authorize } from '../../src/lib/thunder/authorization.ts'
import { type ThunderKey, thunderKey } from '../../src/lib/thunder/keys.ts'
import { signedBytes } from '../../src/payouts/rails/thunder/signed.ts'
import {
  type Order,
  outpointOf,
  outputOf,
  type ThunderCoin,
} from '../../src/payouts/rails/thunder/transaction.ts'

export const THUNDER_SEED = new Uint8Array(32).fill(0x7e)

/** A key of the pool's, as the node and the signer count them: from 1. */
export function ownKey(index: number): ThunderKey {
  return thunderKey(THUNDER_SEED, index)
}

/** An address of nobody, another for each number. */
export function thunderAddressOf(n: number): ThunderAddress {
  const payload = new Uint8Array(20).fill(0x55)
  new DataView(payload.buffer).setUint32(0, n)
  return bareAddress(payload)
}

/** A coin of ours from nowhere; another for each number. */
export function thunderCoin(n: number, value: bigint, key = 1): ThunderCoin {
  const kind = n % 2 === 0 ? 'deposit' : 'regular'
  return {
    outPoint: { kind, hash: toHex(sha256(utf8(`coin ${n}`))), vout: n },
    address: ownKey(key).address,
    value: sats(value),
  }
}

/** An order that pays so many payees 1,000 sat each, and more to each than to the one before. */
export function thunderOrder(coins: readonly ThunderCoin[], payees: number, feeMax = 100n): Order {
  const [anchor] = coins
  if (!anchor) throw new Error('an order has coins')
  return {
    anchor: outpointOf(anchor),
    coins,
    payments: Array.from({ length: payees }, (_, n) =>
      outputOf({ address: thunderAddressOf(n), value: sats(1000n + BigInt(n)) }),
    ),
    change: ownKey(1).address,
    feeMax: sats(feeMax),
  }
}

/** Signs as the owner of each coin. */
export function signOrder(bytes: Uint8Array, { coins }: Pick<Order, 'coins'>): Uint8Array {
  const keys = [1, 2, 3].map(ownKey)
  const authorizations = coins.map(({ address }) => {
    const key = keys.find(each => each.address === address)
    if (!key) throw new Error('the coin is of one of our keys')
    return authorize(bytes, key.privateKey)
  })
  return signedBytes(bytes, authorizations)
}
