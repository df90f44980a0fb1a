import type { CoinManifest } from '../../../approval/index.ts'
import { assert } from '../../../lib/assert.ts'
import { isSame } from '../../outpoint.ts'
import type { Coin } from '../../rail.ts'
import { coinsOf, type Version, versionsOf } from '../../version-store.ts'
import { addressPayment, depositPayments, treasuryIn } from './deposit.ts'
import { addressScript, paymentsOf } from './destination.ts'
import { type Parts, sidechainOf, walletOf } from './l1-parts.ts'
import type { Order, Payment, TreasuryCoin } from './transaction.ts'

/** What the next version of a batch must be, or why none can be made now. */
export type NextOrder =
  | { readonly kind: 'order'; readonly order: Order }
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * What the next version of a batch must be, of the coins that it can still spend; a deposit also
 * spends the coin that the sidechain's treasury has now.
 */
export async function nextOrder(parts: Parts, manifest: CoinManifest): Promise<NextOrder> {
  const coins = await liveCoins(parts, manifest)
  if (manifest.purpose !== 'deposit')
    return { kind: 'order', order: orderWith(parts, manifest, { coins, treasury: null }) }
  const view = await sidechainOf(parts).treasury()
  if (view.kind === 'waits') return view
  return { kind: 'order', order: orderWith(parts, manifest, { coins, treasury: view.coin }) }
}

/** What a stored version must be, of its own coins, whatever has become of them. */
export async function orderOf(
  parts: Parts,
  manifest: CoinManifest,
  version: Pick<Version, 'coins' | 'unsigned'>,
): Promise<Order> {
  const held = await coinsOf(parts.db, manifest.batch, manifest.anchor)
  const treasury =
    manifest.purpose === 'deposit' ? treasuryIn(version.unsigned, sidechainOf(parts)) : null
  const own = version.coins.filter(coin => treasury === null || !isSame(treasury, coin))
  const coins = own.map(coin => {
    const found = held.find(each => isSame(each, coin))
    assert(found !== undefined, 'a version spends coins that its batch holds')
    return found
  })
  return orderWith(parts, manifest, { coins, treasury })
}

/**
 * Outputs by which a stranger's transaction is told to pay this batch; of a deposit only the one
 * that every version of it has.
 */
export function knownPayments(parts: Parts, manifest: CoinManifest): readonly Payment[] {
  return manifest.purpose === 'deposit'
    ? addressPayment(manifest, sidechainOf(parts))
    : paymentsOf(manifest, parts.options.network)
}

type Spent = { readonly coins: readonly Coin[]; readonly treasury: TreasuryCoin | null }

function orderWith(parts: Parts, manifest: CoinManifest, { coins, treasury }: Spent): Order {
  const { network } = parts.options
  const { anchor, change, feeMax } = manifest
  const payments =
    manifest.purpose === 'deposit'
      ? depositPayments(manifest, treasury, sidechainOf(parts))
      : paymentsOf(manifest, network)
  return {
    ...{ anchor, coins, treasury, payments, feeMax },
    multisigWeight: walletOf(parts, manifest).multisigWeight,
    changeScript: addressScript(change, network),
  }
}

/**
 * The batch's coins without those that something foreign has spent for good: a later version goes
 * without them. The anchor stays, since without it nothing is a version of this batch.
 */
async function liveCoins(parts: Parts, manifest: CoinManifest): Promise<readonly Coin[]> {
  const { client } = walletOf(parts, manifest)
  const [anchor, ...others] = await coinsOf(parts.db, manifest.batch, manifest.anchor)
  const own = new Set((await versionsOf(parts.db, manifest.batch)).map(({ txid }) => txid))
  const kept: Coin[] = anchor ? [anchor] : []
  for (const coin of others) {
    if (await client.isUnspent(coin)) kept.push(coin)
    else {
      const by = await client.spenderOf(coin)
      const depth = by === null ? 0 : await client.depthOf(by)
      if (by === null || own.has(by) || depth < parts.options.finality) kept.push(coin)
    }
  }
  return kept
}
