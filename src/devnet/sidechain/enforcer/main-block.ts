import { Transaction } from 'bitcoinjs-lib'
import { displayHash } from '../../../lib/bitcoin/hash.ts'
import { HEADER_BYTES, headerHash, parseHeader } from '../../../lib/bitcoin/header.ts'
import { type Output, readCompactSize } from '../../../lib/bitcoin/tx.ts'
import { type BlockHash, type Txid, txid } from '../../../lib/ids.ts'

/** A transaction of the main chain, as far as BIP 300 and 301 look at it. */
export type MainTransaction = {
  readonly txid: Txid
  readonly version: number
  readonly locktime: number
  readonly inputs: readonly { readonly txid: string; readonly vout: number }[]
  readonly outputs: readonly Output[]
  /** As it stood in the block, with its witnesses. */
  readonly raw: Uint8Array
}

/** A block of the main chain. */
export type MainBlock = {
  readonly hash: BlockHash
  readonly previous: BlockHash
  readonly height: number
  /** Seconds since 1970. */
  readonly time: number
  /** The coinbase first. */
  readonly transactions: readonly MainTransaction[]
}

/** @param height which the bytes do not hold in a form that every block has */
export function readMainBlock(raw: Uint8Array, height: number): MainBlock {
  const header = raw.subarray(0, HEADER_BYTES)
  const { previousBlock, time } = parseHeader(header)
  const count = readCompactSize(raw.subarray(HEADER_BYTES))
  if (count === null) throw new Error('a block counts its transactions')
  const transactions: MainTransaction[] = []
  let at = HEADER_BYTES + count.length
  for (let i = 0; i < count.n; i++) {
    const transaction = readMainTransaction(raw.subarray(at))
    transactions.push(transaction)
    at += transaction.raw.length
  }
  return { hash: headerHash(header), previous: previousBlock, height, time, transactions }
}

/** The transaction at the start of the bytes; what follows it is not looked at. */
export function readMainTransaction(bytes: Uint8Array): MainTransaction {
  const transaction = Transaction.fromBuffer(bytes, true)
  return {
    txid: txid(transaction.getId()),
    version: transaction.version,
    locktime: transaction.locktime,
    inputs: transaction.ins.map(({ hash, index }) => ({ txid: displayHash(hash), vout: index })),
    outputs: transaction.outs.map(({ value, script }) => ({ value, script })),
    raw: transaction.toBuffer(),
  }
}
