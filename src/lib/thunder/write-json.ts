import { unreachable } from '../assert.ts'
import type { Network } from '../bitcoin/network.ts'
import type { Authorization } from './authorization.ts'
import type { ForestHash, ProvenTransaction, ThunderBlock } from './block.ts'
import type { Coin, InPoint, SignedTransaction, SpentCoin } from './json.ts'
import { mainAddressOf } from './main-address.ts'
import type { OutPoint, Output, OutputContent } from './transaction.ts'

/** What `JSON.stringify` writes and a reader gets back the same. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** Where a coin was made, as nodes write it. */
export function outPointToJson({ kind, hash, vout }: OutPoint): Json {
  switch (kind) {
    case 'regular':
      return { Regular: { txid: hash, vout } }
    case 'coinbase':
      return { Coinbase: { merkle_root: hash, vout } }
    case 'deposit':
      return { Deposit: `${hash}:${vout}` }
    default:
      return unreachable(kind)
  }
}

/** @param network whose addresses a withdrawal is written with */
export function outputToJson({ address, content }: Output, network: Network): Json {
  return { address, content: contentToJson(content, network) }
}

function contentToJson(content: OutputContent, network: Network): Json {
  switch (content.kind) {
    case 'value':
      return { Value: Number(content.value) }
    case 'withdrawal': {
      // The schema that a node serves lists other names for these, which it then refuses.
      const { value, mainFee, mainScript } = content
      const main_address = mainAddressOf(mainScript, network)
      return { Withdrawal: { value: Number(value), main_fee: Number(mainFee), main_address } }
    }
    default:
      return unreachable(content)
  }
}

/** An entry of `get_utxos`. */
export function coinToJson({ outPoint, output }: Coin, network: Network): Json {
  return { outpoint: outPointToJson(outPoint), output: outputToJson(output, network) }
}

/** An entry of `get_stxos`. */
export function spentCoinToJson({ outPoint, output, inPoint }: SpentCoin, network: Network): Json {
  return {
    outpoint: outPointToJson(outPoint),
    output: { output: outputToJson(output, network), inpoint: inPointToJson(inPoint) },
  }
}

function inPointToJson(inPoint: InPoint): Json {
  switch (inPoint.kind) {
    case 'regular':
      return { Regular: { txid: inPoint.txid, vin: inPoint.vin } }
    case 'withdrawal':
      return { Withdrawal: { m6id: inPoint.m6id } }
    default:
      return unreachable(inPoint)
  }
}

/** A transaction; a node refuses one without `proof`, whatever is in it. */
export function transactionToJson(
  { inputs, proof, outputs }: ProvenTransaction,
  network: Network,
): Json {
  return {
    inputs: inputs.map(({ outPoint, utxoHash }) => [outPointToJson(outPoint), [...utxoHash]]),
    proof: { targets: [...proof.targets], hashes: proof.hashes.map(forestHashToJson) },
    outputs: outputs.map(output => outputToJson(output, network)),
  }
}

/** What `submit_transaction` takes. */
export function signedToJson(
  { transaction, authorizations }: SignedTransaction,
  network: Network,
): Json {
  return {
    transaction: transactionToJson(transaction, network),
    authorizations: authorizations.map(authorizationToJson),
  }
}

/** What `connect_block` takes. */
export function blockToJson({ header, body }: ThunderBlock, network: Network): Json {
  return {
    header: {
      merkle_root: header.merkleRoot,
      prev_side_hash: header.prevSideHash,
      prev_main_hash: header.prevMainHash,
      roots: header.roots.map(forestHashToJson),
    },
    body: {
      coinbase: body.coinbase.map(output => outputToJson(output, network)),
      transactions: body.transactions.map(each => transactionToJson(each, network)),
      authorizations: body.authorizations.map(authorizationToJson),
    },
  }
}

function authorizationToJson({ publicKey, signature }: Authorization): Json {
  return { verifying_key: [...publicKey], signature: [...signature] }
}

function forestHashToJson(hash: ForestHash): Json {
  if (hash === 'empty') return 'Empty'
  if (hash === 'placeholder') return 'Placeholder'
  return { Some: [...hash] }
}
