import { Transaction } from 'bitcoinjs-lib'
import { isWithdrawal, type Treasury } from '../../../lib/bitcoin/drivechain.ts'
import type { Network } from '../../../lib/bitcoin/network.ts'
import { fromHex, toHex } from '../../../lib/bytes.ts'
import type { Coin } from '../../rail.ts'
import { addressScript } from './destination.ts'
import type { WalletClient } from './wallet-client.ts'

/** A coin of our wallet that a bundle of the sidechain has paid to an address of ours. */
export type BundlePayout = Coin & { readonly address: string; readonly confirmations: number }

/**
 * What bundles (BIP 300, M6) have paid to these addresses and nobody has spent, as our own node's
 * wallet shows it. What anybody else pays there is not among it.
 */
export async function bundlePayouts(
  wallet: Pick<WalletClient, 'unspent' | 'transaction'>,
  { network, ...treasury }: Treasury & { readonly network: Network },
  addresses: readonly string[],
): Promise<readonly BundlePayout[]> {
  if (addresses.length === 0) return []
  const byScript = new Map(
    addresses.map(address => [toHex(addressScript(address, network)), address] as const),
  )
  const payouts: BundlePayout[] = []
  for (const { txid, vout, value, script, confirmations } of await wallet.unspent(1)) {
    const address = byScript.get(toHex(script))
    if (address === undefined) continue
    const found = await wallet.transaction(txid)
    if (found === null || found.isCoinbase || !isBundle(found.hex, treasury)) continue
    payouts.push({ txid, vout, value, script, address, confirmations })
  }
  return payouts
}

/** @param hex of a transaction that a node has taken, so that it is one */
function isBundle(hex: string, treasury: Treasury): boolean {
  const { ins, outs } = Transaction.fromBuffer(fromHex(hex))
  return isWithdrawal({ inputs: ins.length, outputs: outs }, treasury)
}
