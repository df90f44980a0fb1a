import { assert } from '../../../lib/assert.ts'
import type { Manifest } from '../../../treasury/index.ts'
import { isSame, type Outpoint } from '../../outpoint.ts'
import type { Coin } from '../../rail.ts'
import { coinsOf, versionsOf } from '../../version-store.ts'
import { addressScript, paymentsOf } from './destination.ts'
import { type Parts, walletOf } from './l1-parts.ts'
import type { Order } from './transaction.ts'

/** What the next version of a batch must be, of the coins that it can still spend. */
export async function nextOrder(parts: Parts, manifest: Manifest): Promise<Order> {
  return orderWith(parts, manifest, await liveCoins(parts, manifest))
}

/** What a stored version must be, of its own coins, whatever has become of them. */
export async function orderOf(
  parts: Parts,
  manifest: Manifest,
  version: { readonly coins: readonly Outpoint[] },
): Promise<Order> {
  const held = await coinsOf(parts.db, manifest.batch, manifest.anchor)
  const coins = version.coins.map(coin => {
    const own = held.find(each => isSame(each, coin))
    assert(own !== undefined, 'a version spends coins that its batch holds')
    return own
  })
  return orderWith(parts, manifest, coins)
}

function orderWith(parts: Parts, manifest: Manifest, coins: readonly Coin[]): Order {
  const { network } = parts.options
  const { anchor, change, feeMax } = manifest
  return {
    ...{ anchor, coins, feeMax },
    multisigWeight: walletOf(parts, manifest).multisigWeight,
    payments: paymentsOf(manifest, network),
    changeScript: addressScript(change, network),
  }
}

/**
 * The batch's coins without those that something foreign has spent for good: a later version goes
 * without them. The anchor stays, since without it nothing is a version of this batch.
 */
async function liveCoins(parts: Parts, manifest: Manifest): Promise<readonly Coin[]> {
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
