import type { Txid } from '../../../lib/ids.ts'
import type { ProvenTransaction } from '../../../lib/thunder/block.ts'
import type { SignedTransaction } from '../../../lib/thunder/json.ts'
import { thunderTxid, transactionBytes } from '../../../lib/thunder/transaction.ts'
import { keyOf } from './coins.ts'

/** Transactions that wait for a block. */
export type Mempool = {
  /** @returns whether it was taken: every coin is spent once, also by a copy of the same one */
  readonly put: (transaction: SignedTransaction) => boolean
  /** With all that spend its outputs. */
  readonly remove: (id: Txid) => void
  readonly find: (id: Txid) => ProvenTransaction | null
  /** In the order of their ids, which is the order in which blocks take them, not that of fees. */
  readonly all: () => readonly SignedTransaction[]
  /** Drops what spends a coin that no forest can prove any more, with its descendants. */
  readonly evict: (proves: (utxoHash: Uint8Array) => boolean) => void
  readonly clear: () => void
}

/** More are refused with the double-spent text. The real node has no limit but its disk. */
const TRANSACTIONS_MAX = 50_000

export function txidOf(transaction: ProvenTransaction): Txid {
  return thunderTxid(transactionBytes(transaction))
}

export function mempool(): Mempool {
  const transactions = new Map<Txid, SignedTransaction>()
  /** Spent coin → the transaction that spends it. */
  const spenders = new Map<string, Txid>()

  function put(signed: SignedTransaction): boolean {
    const keys = signed.transaction.inputs.map(({ outPoint }) => keyOf(outPoint))
    const isDouble = new Set(keys).size < keys.length || keys.some(key => spenders.has(key))
    if (isDouble || transactions.size >= TRANSACTIONS_MAX) return false
    const id = txidOf(signed.transaction)
    for (const key of keys) spenders.set(key, id)
    transactions.set(id, signed)
    return true
  }
  function remove(id: Txid): void {
    const signed = transactions.get(id)
    if (signed === undefined) return
    transactions.delete(id)
    for (const { outPoint } of signed.transaction.inputs) spenders.delete(keyOf(outPoint))
    for (const vout of signed.transaction.outputs.keys()) {
      const child = spenders.get(keyOf({ kind: 'regular', hash: id, vout }))
      if (child !== undefined) remove(child)
    }
  }
  return {
    put,
    remove,
    find: id => transactions.get(id)?.transaction ?? null,
    all: () => [...transactions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, signed]) => signed),
    evict(proves) {
      for (const [id, { transaction }] of [...transactions])
        if (!transaction.inputs.every(input => proves(input.utxoHash))) remove(id)
    },
    clear() {
      transactions.clear()
      spenders.clear()
    },
  }
}
