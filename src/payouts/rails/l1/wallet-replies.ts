import { z } from 'zod'
import { type BlockHash, blockHash, txid } from '../../../lib/ids.ts'
import { satsFromCoins } from '../../../lib/nodes/amount.ts'

/** Of a block or a transaction, display order. */
export const hash = z.string().regex(/^[0-9a-f]{64}$/)
/** Coins as Core writes them, to whole satoshis. */
export const amount = z.union([z.number(), z.string()]).transform((coins, context) => {
  const read = satsFromCoins(coins)
  if (read === null) {
    context.addIssue({ code: 'custom', message: 'not an amount in coins' })
    return z.NEVER
  }
  return read
})
/** A coin's name. */
const outpoint = z.object({ txid: hash, vout: z.int().nonnegative() })
/** `getblockchaininfo` */
export const chainSchema = z.object({
  chain: z.string(),
  blocks: z.int(),
  headers: z.int(),
  bestblockhash: hash.transform(blockHash),
  initialblockdownload: z.boolean(),
  time: z.int(),
})
/** The last two steps of a key of chain 0, whichever key of several it is. */
const RECEIVING_KEY = /\/0\/(\d{1,7})\]/
/** `getaddressinfo`; an address that the wallet could not pay from has no descriptor. */
export const addressSchema = z
  .object({ ismine: z.boolean(), desc: z.string().optional() })
  .transform(({ ismine, desc }) => {
    const [, index] = RECEIVING_KEY.exec(desc ?? '') ?? []
    const receivingIndex = ismine && index !== undefined ? Number(index) : null
    return { isOurs: ismine, receivingIndex }
  })
/** `walletprocesspsbt` */
export const psbtSchema = z.object({
  psbt: z.base64().transform(text => new Uint8Array(Buffer.from(text, 'base64'))),
})
/** `listunspent` */
export const unspentSchema = z.array(
  outpoint.extend({
    amount,
    scriptPubKey: z.string().regex(/^(?:[0-9a-f]{2})*$/),
    spendable: z.boolean(),
    safe: z.boolean(),
    confirmations: z.int(),
  }),
)
/** `gettransaction`, verbose */
export const transactionSchema = z.object({
  confirmations: z.int(),
  blockhash: hash.transform(blockHash).optional(),
  hex: z.string(),
  generated: z.boolean().optional(),
  decoded: z.object({ vin: z.array(outpoint.partial()) }).optional(),
})

/** What a node could make final of a PSBT. */
export type Finalised =
  | { readonly kind: 'final'; readonly hex: string }
  | { readonly kind: 'incomplete'; readonly psbt: Uint8Array }
/** `finalizepsbt` */
export const finalisedSchema = z
  .union([z.object({ hex: z.string() }), z.object({ psbt: z.base64() })])
  .transform(
    (reply): Finalised =>
      'hex' in reply
        ? { kind: 'final', hex: reply.hex }
        : { kind: 'incomplete', psbt: new Uint8Array(Buffer.from(reply.psbt, 'base64')) },
  )

/** `listsinceblock` */
export const sinceSchema = z.object({
  transactions: z.array(
    z.object({ txid: hash.transform(txid), confirmations: z.int(), category: z.string() }),
  ),
  lastblock: hash.transform(blockHash),
})

/** A wallet's transaction; `block` is null where no block has it. */
export type WalletTransaction = {
  readonly confirmations: number
  readonly block: BlockHash | null
  readonly hex: string
  readonly isCoinbase: boolean
  readonly spends: readonly {
    readonly txid?: string | undefined
    readonly vout?: number | undefined
  }[]
}
