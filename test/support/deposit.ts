import { z } from 'zod'
import { fromHex } from '../../src/lib/bytes.ts'
import type { Txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { THUNDER_SLOT, type ThunderAddress } from '../../src/lib/thunder/address.ts'
import type { TestSidechain } from './sidechain.ts'

const FEE = sats(1000n)
const listed = z.object({
  transactions: z
    .array(
      z.object({
        tx: z.object({
          txid: z.object({ hex: z.string() }),
          rawTransaction: z.object({ hex: z.string() }),
        }),
      }),
    )
    .default([]),
})

/**
 * Has the enforcer's wallet make a deposit, and mines it: a node relays only the first of a slot,
 * and not all nodes that one. Thunder credits it with its next block.
 *
 * @returns its id on the main chain
 */
export async function mineDeposit(
  { urls, enforcerCall, mine }: TestSidechain,
  address: ThunderAddress,
  amount: bigint,
): Promise<Txid> {
  const enforcer = enforcerClient({ grpcUrl: urls.enforcerUrl })
  const wanted = { slot: THUNDER_SLOT, address, value: sats(amount), fee: FEE }
  const made = await enforcer.createDeposit(wanted)
  const id = made.kind === 'refused' ? null : made.txid
  if (id === null) throw new Error(`no deposit was made: ${made.kind}`)
  const { transactions } = listed.parse(
    await enforcerCall('WalletService/ListSidechainDepositTransactions'),
  )
  const found = transactions.find(({ tx }) => tx.txid.hex === id)
  if (!found) throw new Error(`the enforcer does not list ${id}`)
  await mine({ transactions: [fromHex(found.tx.rawTransaction.hex)] })
  return id
}
