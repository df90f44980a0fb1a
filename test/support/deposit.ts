import { enforcerWallet } from '../../src/devnet/sidechain/enforcer/wallet.ts'
import { DRIVECHAIN_OPCODES } from '../../src/lib/bitcoin/drivechain.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { type Txid, txid } from '../../src/lib/ids.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { THUNDER_SLOT, type ThunderAddress } from '../../src/lib/thunder/address.ts'
import type { TestSidechain } from './sidechain.ts'

const FEE_SATS = 1000n

/**
 * Has a wallet of the node make a deposit, and mines it: a node relays only the first of a slot,
 * and not all nodes that one. An enforcer's own wallet is no use, since it makes such a deposit,
 * but gives its bytes to nobody. Thunder credits the deposit with its next block.
 *
 * @returns its id on the main chain
 */
export async function mineDeposit(
  { urls, node, mine }: Pick<TestSidechain, 'urls' | 'node' | 'mine'>,
  address: ThunderAddress,
  amount: bigint,
): Promise<Txid> {
  const treasury = await enforcerClient({ grpcUrl: urls.enforcerUrl }).ctip(THUNDER_SLOT)
  const wallet = await enforcerWallet(node.rpc)
  await wallet.deposit({
    ...{ slot: THUNDER_SLOT, opcode: DRIVECHAIN_OPCODES.nop5, treasury, address },
    ...{ valueSats: amount, feeSats: FEE_SATS },
  })
  const made = wallet.deposits().at(-1)
  if (!made) throw new Error('the wallet has no coins for a deposit')
  await mine({ transactions: [fromHex(made.raw)] })
  return txid(made.txid)
}
