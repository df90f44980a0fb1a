import { type BlockHash, blockHash, type Txid, txid } from '../../../lib/ids.ts'
import { MAX_MONEY_SATS, type Sats, sats } from '../../../lib/money.ts'
import {
  parseBareAddress,
  THUNDER_ADDRESS_BYTES,
  type ThunderAddress,
} from '../../../lib/thunder/address.ts'
import type { Authorization } from '../../../lib/thunder/authorization.ts'
import type { ForestHash, ProvenTransaction, ThunderBlock } from '../../../lib/thunder/block.ts'
import type { SignedTransaction } from '../../../lib/thunder/json.ts'
import { scriptOfMainAddress } from '../../../lib/thunder/main-address.ts'
import type { OutPoint, Output, OutputContent } from '../../../lib/thunder/transaction.ts'
import type { PlacedJson } from '../positioned-json.ts'
import {
  bytesOf,
  field,
  listOf,
  optional,
  pairOf,
  type Read,
  Refusal,
  readText,
  readU32,
  readU64,
  variant,
} from '../serde.ts'

/**
 * How a Thunder node reads what it is given. The project's own reader for its replies is another
 * one, lib/thunder/json.ts: this one says in the node's words what is wrong, and where.
 */

const ALPHABET = /^[1-9A-HJ-NP-Za-km-z]*$/

export const readAddress: Read<ThunderAddress> = json => {
  const text = readText(json)
  if (!ALPHABET.test(text)) throw new Refusal('bs58 error', json.end)
  const address = parseBareAddress(text)
  if (address !== null) return address
  throw new Refusal(
    `wrong address length ${base58Bytes(text)} != ${THUNDER_ADDRESS_BYTES}`,
    json.end,
  )
}

/** How many bytes a text of base58 stands for. */
function base58Bytes(text: string): number {
  const digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let value = 0n
  for (const digit of text) value = value * 58n + BigInt(digits.indexOf(digit))
  const zeros = /^1*/.exec(text)?.[0].length ?? 0
  return zeros + (value === 0n ? 0 : Math.ceil(value.toString(16).length / 2))
}

const readHash: Read<string> = json => {
  const text = readText(json).toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new Refusal(
      `invalid value: string ${JSON.stringify(text)}, expected 32 bytes of hex`,
      json.end,
    )
  return text
}

export const readSideHash = readHash
export const readTxid: Read<Txid> = json => txid(readHash(json))
export const readMainHash: Read<BlockHash> = json => blockHash(readHash(json))

/** The output script of a main chain's address, of whatever network. */
export const readMainScript: Read<Uint8Array> = json => {
  const script = scriptOfMainAddress(readText(json))
  if (script === null) throw new Refusal('base58 error', json.end)
  return script
}

const readSats: Read<Sats> = json => {
  const amount = readU64(json)
  if (amount > MAX_MONEY_SATS) throw new Refusal('Bitcoin amount overflow', json.end)
  return sats(amount)
}

const readOutPoint: Read<OutPoint> = json =>
  variant<OutPoint>(json, {
    Regular: inner => ({
      kind: 'regular',
      hash: field(inner, 'txid', readHash),
      vout: field(inner, 'vout', readU32),
    }),
    Coinbase: inner => ({
      kind: 'coinbase',
      hash: field(inner, 'merkle_root', readHash),
      vout: field(inner, 'vout', readU32),
    }),
    Deposit: readDepositOutPoint,
  })

const readDepositOutPoint: Read<OutPoint> = json => {
  const match = /^([0-9a-f]{64}):(\d{1,9})$/.exec(readText(json))
  if (match === null) throw new Refusal('an OutPoint must be txid:vout', json.end)
  return { kind: 'deposit', hash: match[1] ?? '', vout: Number(match[2]) }
}

const readContent: Read<OutputContent> = json =>
  variant<OutputContent>(json, {
    Value: inner => ({ kind: 'value', value: readSats(inner) }),
    Withdrawal: inner => ({
      kind: 'withdrawal',
      value: field(inner, 'value', readSats),
      mainFee: field(inner, 'main_fee', readSats),
      mainScript: field(inner, 'main_address', readMainScript),
    }),
  })

const readOutput: Read<Output> = json => ({
  address: field(json, 'address', readAddress),
  content: field(json, 'content', readContent),
})

const HASH_BYTES = 32

const readForestHash: Read<ForestHash> = json => {
  if (json.kind === 'string' && json.value === 'Empty') return 'empty'
  if (json.kind === 'string' && json.value === 'Placeholder') return 'placeholder'
  return variant<ForestHash>(json, { Some: bytesOf(HASH_BYTES) })
}

const readProof = (json: PlacedJson) => ({
  targets: field(
    json,
    'targets',
    listOf(target => Number(readU64(target))),
  ),
  hashes: field(json, 'hashes', listOf(readForestHash)),
})

export const readTransaction: Read<ProvenTransaction> = json => ({
  inputs: field(json, 'inputs', listOf(pairOf(readOutPoint, bytesOf(HASH_BYTES)))).map(
    ([outPoint, utxoHash]) => ({ outPoint, utxoHash }),
  ),
  proof: field(json, 'proof', readProof),
  outputs: field(json, 'outputs', listOf(readOutput)),
})

const readAuthorization: Read<Authorization> = json => ({
  publicKey: field(json, 'verifying_key', bytesOf(32)),
  signature: field(json, 'signature', bytesOf(64)),
})

export const readSigned: Read<SignedTransaction> = json => ({
  transaction: field(json, 'transaction', readTransaction),
  authorizations: field(json, 'authorizations', listOf(readAuthorization)),
})

export const readBlock: Read<ThunderBlock> = json => ({
  header: field(json, 'header', inner => ({
    merkleRoot: field(inner, 'merkle_root', readHash),
    prevSideHash: field(inner, 'prev_side_hash', optional(readHash)),
    prevMainHash: field(inner, 'prev_main_hash', readMainHash),
    roots: field(inner, 'roots', listOf(readForestHash)),
  })),
  body: field(json, 'body', inner => ({
    coinbase: field(inner, 'coinbase', listOf(readOutput)),
    transactions: field(inner, 'transactions', listOf(readTransaction)),
    authorizations: field(inner, 'authorizations', listOf(readAuthorization)),
  })),
})
