import { z } from 'zod'
import { DUST_RELAY_SAT_PER_KVB } from '../../../lib/bitcoin/address.ts'
import { toHex } from '../../../lib/bytes.ts'
import { type BlockHash, type Txid, txid } from '../../../lib/ids.ts'
import { formatBtc, type Sats } from '../../../lib/money.ts'
import type { NodeRpc } from '../../../lib/nodes/bitcoin-core-client.ts'
import { RpcError } from '../../../lib/nodes/rpc-error.ts'
import type { Outpoint } from '../../outpoint.ts'
import type { Coin } from '../../rail.ts'
import type { SendReply } from './evidence.ts'
import { inputWeight } from './transaction.ts'
import {
  addressSchema,
  amount,
  chainSchema,
  type Finalised,
  finalisedSchema,
  hash,
  psbtSchema,
  sinceSchema,
  transactionSchema,
  unspentSchema,
  type WalletTransaction,
} from './wallet-replies.ts'

/** Transactions of the wallet that are looked through for who spent a coin; beyond, nobody did. */
const SPENDERS_MAX = 2000
const CONFIRMATIONS_MAX = 9_999_999
/** Core: RPC_INVALID_ADDRESS_OR_KEY, also for a transaction that the wallet does not know. */
const NOT_KNOWN = -5
/** Core: RPC_WALLET_KEYPOOL_RAN_OUT, also where no descriptor gives such an address. */
const NO_SUCH_TYPE = -12

/** An unspent output that the wallet calls its own, whoever paid it. */
export type Unspent = Coin & {
  readonly confirmations: number
  /** Native segwit, and the wallet knows how to spend it. */
  readonly isSpendable: boolean
}

/** What of a wallet's history is not told yet. */
export type WalletSends = {
  /** Transactions that spend from the wallet, in a mempool or a block. */
  readonly sends: readonly Txid[]
  /** From where to ask the next time: old enough that it will not be reorganised. */
  readonly next: BlockHash
}

/** What the L1 rail asks a node and its wallet, each reply parsed. All but `broadcast` throw. */
export type WalletClient = ReturnType<typeof walletClient>

/**
 * @param wallet the wallet's name; native segwit, loaded at the node's start
 * @param multisigWeight what an input of it weighs where it needs several signatures, or null
 */
export function walletClient(
  { call }: NodeRpc,
  wallet: string,
  multisigWeight: number | null = null,
) {
  const ask = (method: string, ...params: readonly unknown[]) => call(method, params)
  const askWallet = (method: string, ...params: readonly unknown[]) =>
    call(method, params, { wallet })

  const process = async (psbt: Uint8Array, { sign }: { readonly sign: boolean }) => {
    const params = [toBase64(psbt), sign, 'DEFAULT', true, false] as const
    const reply = await askWallet('walletprocesspsbt', ...params)
    return psbtSchema.parse(reply).psbt
  }

  const transaction = async (id: Txid): Promise<WalletTransaction | null> => {
    const reply = await orNull(askWallet('gettransaction', id, true, true))
    if (reply === null) return null
    const { confirmations, blockhash, hex, generated, decoded } = transactionSchema.parse(reply)
    return {
      confirmations,
      block: blockhash ?? null,
      hex,
      isCoinbase: generated === true,
      spends: decoded?.vin ?? [],
    }
  }

  const unspent = async (depth: number): Promise<Unspent[]> => {
    const listed = await askWallet('listunspent', depth, CONFIRMATIONS_MAX, [], false)
    return unspentSchema.parse(listed).map(({ txid: id, vout, amount, ...of }) => {
      const script = new Uint8Array(Buffer.from(of.scriptPubKey, 'hex'))
      const isSpendable =
        of.spendable && of.safe && inputWeight(script, multisigWeight) !== null && amount > 0n
      const { confirmations } = of
      return { txid: txid(id), vout, value: amount, script, confirmations, isSpendable }
    })
  }

  const confirmationsOf = async (block: BlockHash): Promise<number | null> => {
    const reply = await orNull(ask('getblockheader', block))
    return reply === null ? null : z.object({ confirmations: z.int() }).parse(reply).confirmations
  }

  const addressInfo = async (address: string) =>
    addressSchema.parse(await askWallet('getaddressinfo', address))

  const knownDepthOf = async (id: Txid): Promise<number | null> => {
    const found = await transaction(id)
    if (found === null) return null
    const confirmations = found.block === null ? 0 : await confirmationsOf(found.block)
    return Math.max(confirmations ?? 0, 0)
  }

  return {
    /** What an input of the wallet weighs where it needs several signatures, or null. */
    multisigWeight,

    chain: async () => chainSchema.parse(await ask('getblockchaininfo')),

    /** Blocks on top of it, itself included; −1 off the best chain, null where unknown. */
    confirmationsOf,

    /** As the next one, and 0 where the wallet does not know the transaction. */
    depthOf: async (id: Txid): Promise<number> => (await knownDepthOf(id)) ?? 0,
    /** Depth of a wallet's transaction on the best chain; 0 where no block has it, null if unknown. */
    knownDepthOf,

    /** Every output with at least so many confirmations; immature ones are not listed. */
    unspent,

    /** Those of them that a batch could spend. */
    coins: async (depth: number): Promise<Coin[]> =>
      (await unspent(Math.max(depth, 1)))
        .filter(({ isSpendable }) => isSpendable)
        .map(({ txid, vout, value, script }) => ({ txid, vout, value, script })),

    /**
     * Never the wallet's own choice, which is an old kind of address on some nodes. A wallet of
     * taproot descriptors alone has no address of version 0.
     */
    newChangeAddress: async () => {
      const reply =
        (await orNull(askWallet('getrawchangeaddress', 'bech32'), [NO_SUCH_TYPE])) ??
        (await askWallet('getrawchangeaddress', 'bech32m'))
      return z.string().parse(reply)
    },

    /** An address to be paid at by another wallet of ours. */
    newAddress: async () => {
      const reply =
        (await orNull(askWallet('getnewaddress', '', 'bech32'), [NO_SUCH_TYPE])) ??
        (await askWallet('getnewaddress', '', 'bech32m'))
      return z.string().parse(reply)
    },

    isOurs: async (address: string): Promise<boolean> => (await addressInfo(address)).isOurs,

    /** Which of the wallet's receiving addresses it is; null for any other, or where nobody tells. */
    receivingIndex: async (address: string): Promise<number | null> =>
      (await addressInfo(address)).receivingIndex,

    /** Satoshis a thousand virtual bytes; null where the node has seen too little to say. */
    estimatedFeeRate: async (blocks: number): Promise<Sats | null> => {
      const reply = z.object({ feerate: amount.optional() })
      return reply.parse(await ask('estimatesmartfee', blocks)).feerate ?? null
    },

    /** What its mempool takes at least now, and what a replacement adds at least. */
    mempoolRates: async (): Promise<{ readonly floor: Sats; readonly increment: Sats }> => {
      const reply = z.object({ mempoolminfee: amount, incrementalrelayfee: amount })
      const { mempoolminfee, incrementalrelayfee } = reply.parse(await ask('getmempoolinfo'))
      return { floor: mempoolminfee, increment: incrementalrelayfee }
    },

    /** What the node takes for dust by; Core does not tell it, and then it is the usual one. */
    dustRelayRate: async (): Promise<Sats> => {
      const reply = z.object({ dustrelayfee: amount.optional() })
      return reply.parse(await ask('getmempoolinfo')).dustrelayfee ?? DUST_RELAY_SAT_PER_KVB
    },

    /** The fees of a transaction and all that spends it there; null where it is not in the mempool. */
    mempoolFees: async (id: Txid): Promise<Sats | null> => {
      const reply = await orNull(ask('getmempoolentry', id))
      const entry = z.object({ fees: z.object({ descendant: amount }) })
      return reply === null ? null : entry.parse(reply).fees.descendant
    },

    /** The same PSBT with all that the wallet knows of its inputs and change, and no signature. */
    describe: async (psbt: Uint8Array): Promise<Uint8Array> => process(psbt, { sign: false }),

    /** The same PSBT with the wallet's own signatures, nothing finalised. */
    sign: async (psbt: Uint8Array): Promise<Uint8Array> => process(psbt, { sign: true }),

    /**
     * The node finalises: it knows which signatures a script needs, and leaves out one too many.
     *
     * @returns the final transaction's hex, or the PSBT with those inputs final that it could verify
     */
    finalise: async (psbt: Uint8Array): Promise<Finalised> =>
      finalisedSchema.parse(await ask('finalizepsbt', toBase64(psbt))),

    /** @returns why the mempool would refuse it, or null */
    mempoolComplaint: async (raw: Uint8Array, feeRateMax: Sats): Promise<string | null> => {
      const reply = await ask('testmempoolaccept', [toHex(raw)], formatBtc(feeRateMax))
      const verdict = z.object({ allowed: z.boolean(), 'reject-reason': z.string().optional() })
      const [first] = z.array(verdict).length(1).parse(reply)
      return first?.allowed ? null : (first?.['reject-reason'] ?? 'refused')
    },

    broadcast: async (raw: Uint8Array, feeRateMax: Sats): Promise<SendReply> => {
      try {
        const reply = await ask('sendrawtransaction', toHex(raw), formatBtc(feeRateMax))
        return { kind: 'txid', txid: z.string().parse(reply) }
      } catch (error) {
        if (error instanceof RpcError)
          return { kind: 'error', code: error.code, message: error.message }
        return {
          kind: 'no answer',
          message: error instanceof Error ? error.message : String(error),
        }
      }
    },

    transaction,

    /** The hex of a transaction that the best chain or the mempool has; null where neither does. */
    hexOf: async (id: Txid): Promise<string | null> => {
      const known = await transaction(id)
      const depth = known?.block ? await confirmationsOf(known.block) : null
      if (known && depth !== null && depth > 0) return known.hex
      const reply = await orNull(ask('getrawtransaction', id))
      return reply === null ? null : z.string().parse(reply)
    },

    /** Whether the chain, without the mempool, has the coin unspent. */
    isUnspent: async ({ txid, vout }: Outpoint): Promise<boolean> =>
      (await ask('gettxout', txid, vout, false)) !== null,

    /** Whether the chain with the mempool on top of it has the coin, and unspent. */
    isInMempoolOrChain: async ({ txid, vout }: Outpoint): Promise<boolean> =>
      (await ask('gettxout', txid, vout, true)) !== null,

    mempoolSpender: async (coin: Outpoint): Promise<Txid | null> => {
      const reply = await ask('gettxspendingprevout', [{ txid: coin.txid, vout: coin.vout }])
      const spender = z.object({ spendingtxid: hash.transform(txid).optional() })
      return z.array(spender).length(1).parse(reply)[0]?.spendingtxid ?? null
    },

    /**
     * What the wallet has spent in blocks after that one, and in the mempool; a block that was
     * reorganised away counts as the last one before the fork.
     *
     * @param depth how many confirmations the next question's block has
     */
    sendsSince: async (block: BlockHash | null, depth: number): Promise<WalletSends> => {
      // Change is listed too, or a transaction that pays only ourselves would not be.
      const reply = await askWallet('listsinceblock', block ?? '', depth, true, false, true)
      const { transactions, lastblock } = sinceSchema.parse(reply)
      const sends = transactions.filter(
        ({ category, confirmations }) => category === 'send' && confirmations >= 0,
      )
      return { sends: [...new Set(sends.map(({ txid }) => txid))], next: lastblock }
    },

    /** Who spent a coin of the wallet in a block; null where the wallet does not know. */
    spenderOf: async (coin: Outpoint): Promise<Txid | null> => {
      const funding = await transaction(coin.txid)
      if (!funding?.block) return null
      const listed = z
        .object({ transactions: z.array(z.object({ txid: hash, confirmations: z.int() })) })
        .parse(await askWallet('listsinceblock', funding.block, 1, true, false, true))
      const candidates = new Set(
        listed.transactions
          .filter(({ confirmations }) => confirmations > 0)
          .map(({ txid }) => txid),
      )
      for (const id of [...candidates].slice(0, SPENDERS_MAX)) {
        const found = await transaction(txid(id))
        const spends = found?.spends.some(
          ({ txid, vout }) => txid === coin.txid && vout === coin.vout,
        )
        if (spends) return txid(id)
      }
      return null
    },
  }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

async function orNull(
  reply: Promise<unknown>,
  codes: readonly number[] = [NOT_KNOWN],
): Promise<unknown> {
  try {
    return await reply
  } catch (error) {
    if (error instanceof RpcError && codes.includes(error.code)) return null
    throw error
  }
}
