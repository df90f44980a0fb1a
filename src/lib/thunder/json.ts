import { z } from 'zod'
import { blockHash, type Txid, txid } from '../ids.ts'
import { MAX_MONEY_SATS, sats } from '../money.ts'
import { parseBareAddress } from './address.ts'
import type { Authorization } from './authorization.ts'
import type { ForestHash, ProvenTransaction, ThunderBlock } from './block.ts'
import { scriptOfMainAddress } from './main-address.ts'
import type { OutPoint, Output, OutputContent } from './transaction.ts'

/** A coin that nobody has spent. */
export type Coin = { readonly outPoint: OutPoint; readonly output: Output }

/** What spent a coin: a transaction, or a bundle that left for the main chain. */
export type InPoint =
  | { readonly kind: 'regular'; readonly txid: Txid; readonly vin: number }
  | { readonly kind: 'withdrawal'; readonly m6id: string }

/** A coin that was spent in a block, and by what. */
export type SpentCoin = Coin & { readonly inPoint: InPoint }

/** A transaction with its owners' agreement, as it is submitted. */
export type SignedTransaction = {
  readonly transaction: ProvenTransaction
  readonly authorizations: readonly Authorization[]
}

const HASH_BYTES = 32
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const U32_MAX = 0xffff_ffff

/** A hash of Thunder's own, a block's or a Merkle root: 64 hex digits in the order of its bytes. */
export const hashJson = z.string().regex(/^[0-9a-f]{64}$/)

/** A transaction of Thunder. */
export const txidJson = hashJson.transform(txid)

/** A block of the main chain, in display order. */
export const mainHashJson = hashJson.transform(blockHash)

/** Satoshis: a number, which is exact up to all the bitcoin that there can be. */
export const satsJson = z
  .int()
  .min(0)
  .max(Number(MAX_MONEY_SATS))
  .transform(n => sats(BigInt(n)))

const index = z.int().min(0).max(U32_MAX)

const bytesJson = (length: number) =>
  z
    .array(z.int().min(0).max(255))
    .length(length)
    .transform(numbers => Uint8Array.from(numbers))

/** A bare address; the all-zero one too, since blocks hold it. */
export const addressJson = z.string().transform((text, context) => {
  const address = parseBareAddress(text)
  if (address !== null) return address
  context.addIssue('is no bare Thunder address')
  return z.NEVER
})

/** Where a coin was made. */
export const outPointJson = z.union([
  z
    .strictObject({ Regular: z.object({ txid: hashJson, vout: index }) })
    .transform(({ Regular: { txid, vout } }): OutPoint => ({ kind: 'regular', hash: txid, vout })),
  z
    .strictObject({ Coinbase: z.object({ merkle_root: hashJson, vout: index }) })
    .transform(
      ({ Coinbase: { merkle_root: hash, vout } }): OutPoint => ({ kind: 'coinbase', hash, vout }),
    ),
  // The main chain's txid in display order, then the index.
  z
    .strictObject({ Deposit: z.string().regex(/^[0-9a-f]{64}:\d{1,10}$/) })
    .transform(({ Deposit }): OutPoint => {
      const [hash = '', vout] = Deposit.split(':')
      return { kind: 'deposit', hash, vout: Number(vout) }
    })
    .refine(({ vout }) => vout <= U32_MAX, 'has an index of more than 32 bits'),
])

const withdrawalJson = z
  .object({ value: satsJson, main_fee: satsJson, main_address: z.string() })
  .transform(({ value, main_fee: mainFee, main_address }, context): OutputContent => {
    const mainScript = scriptOfMainAddress(main_address)
    if (mainScript !== null && value + mainFee <= MAX_MONEY_SATS)
      return { kind: 'withdrawal', value, mainFee, mainScript }
    context.addIssue('pays no address, or more than all bitcoin')
    return z.NEVER
  })

/** An output. */
export const outputJson = z.object({
  address: addressJson,
  content: z.union([
    z
      .strictObject({ Value: satsJson })
      .transform(({ Value }): OutputContent => ({ kind: 'value', value: Value })),
    z.strictObject({ Withdrawal: withdrawalJson }).transform(({ Withdrawal }) => Withdrawal),
  ]),
})

/** An entry of `get_utxos`. */
export const coinJson = z
  .object({ outpoint: outPointJson, output: outputJson })
  .transform(({ outpoint, output }): Coin => ({ outPoint: outpoint, output }))

const inPointJson = z.union([
  z
    .strictObject({ Regular: z.object({ txid: txidJson, vin: index }) })
    .transform(({ Regular }): InPoint => ({ kind: 'regular', ...Regular })),
  z
    .strictObject({ Withdrawal: z.object({ m6id: hashJson }) })
    .transform(({ Withdrawal }): InPoint => ({ kind: 'withdrawal', ...Withdrawal })),
])

/** An entry of `get_stxos`. */
export const spentCoinJson = z
  .object({
    outpoint: outPointJson,
    output: z.object({ output: outputJson, inpoint: inPointJson }),
  })
  .transform(
    ({ outpoint, output: { output, inpoint } }): SpentCoin => ({
      outPoint: outpoint,
      output,
      inPoint: inpoint,
    }),
  )

const forestHashJson = z.union([
  z.strictObject({ Some: bytesJson(HASH_BYTES) }).transform(({ Some }): ForestHash => Some),
  z.literal('Empty').transform((): ForestHash => 'empty'),
  z.literal('Placeholder').transform((): ForestHash => 'placeholder'),
])

const inputJson = z
  .tuple([outPointJson, bytesJson(HASH_BYTES)])
  .transform(([outPoint, utxoHash]) => ({ outPoint, utxoHash }))

/** A transaction, with the proof that a node gave it. */
export const transactionJson = z.object({
  inputs: z.array(inputJson),
  proof: z.object({ targets: z.array(z.int().min(0)), hashes: z.array(forestHashJson) }),
  outputs: z.array(outputJson),
})

const authorizationJson = z
  .object({ verifying_key: bytesJson(KEY_BYTES), signature: bytesJson(SIGNATURE_BYTES) })
  .transform(({ verifying_key, signature }) => ({ publicKey: verifying_key, signature }))

/** What `sign_transaction` gives and `submit_transaction` takes. */
export const signedJson = z.object({
  transaction: transactionJson,
  authorizations: z.array(authorizationJson),
})

const headerJson = z
  .object({
    merkle_root: hashJson,
    prev_side_hash: hashJson.nullable(),
    prev_main_hash: mainHashJson,
    roots: z.array(forestHashJson),
  })
  .transform(({ merkle_root, prev_side_hash, prev_main_hash, roots }) => ({
    merkleRoot: merkle_root,
    prevSideHash: prev_side_hash,
    prevMainHash: prev_main_hash,
    roots,
  }))

/** A block, as `get_block` and `get_block_template` give it and `connect_block` takes it. */
export const blockJson = z
  .object({
    header: headerJson,
    body: z.object({
      coinbase: z.array(outputJson),
      transactions: z.array(transactionJson),
      authorizations: z.array(authorizationJson),
    }),
  })
  .transform((block): ThunderBlock => block)
