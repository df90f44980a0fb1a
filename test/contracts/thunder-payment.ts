import type { Txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { ThunderAddress } from '../../src/lib/thunder/address.ts'
import { type Authorization, authorize } from '../../src/lib/thunder/authorization.ts'
import { NO_PROOF, type ProvenTransaction } from '../../src/lib/thunder/block.ts'
import type { Coin, SignedTransaction } from '../../src/lib/thunder/json.ts'
import type { ThunderKey } from '../../src/lib/thunder/keys.ts'
import {
  type Output,
  outputTotal,
  thunderTxid,
  transactionBytes,
  utxoHash,
} from '../../src/lib/thunder/transaction.ts'

/** A transaction of ours, and its id by our own codec. */
export type Payment = SignedTransaction & { readonly txid: Txid; readonly bytes: Uint8Array }

export const FEE = 100n

/** An output of coins. */
export function pays(address: ThunderAddress, value: bigint): Output {
  return { address, content: { kind: 'value', value: sats(value) } }
}

/** Spends a whole coin: the output, the rest to whom it was before, and a small fee. */
export function payment(coin: Coin, key: ThunderKey, output: Output): Payment {
  const rest = outputTotal(coin.output) - outputTotal(output) - FEE
  return spend(coin, [output, pays(key.address, rest)], bytes => [authorize(bytes, key.privateKey)])
}

/** Spends a coin on whatever is asked for. */
export function spend(
  { outPoint, output }: Coin,
  outputs: readonly Output[],
  authorizations: (bytes: Uint8Array) => readonly Authorization[],
): Payment {
  const inputs = [{ outPoint, utxoHash: utxoHash(outPoint, output) }]
  const transaction: ProvenTransaction = { inputs, outputs, proof: NO_PROOF }
  const bytes = transactionBytes(transaction)
  return { transaction, authorizations: authorizations(bytes), bytes, txid: thunderTxid(bytes) }
}
