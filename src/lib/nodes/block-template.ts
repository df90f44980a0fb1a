import { z } from 'zod'
import { type Output, parseCoinbase } from '../bitcoin/tx.ts'
import { equalBytes } from '../bytes.ts'
import { type BlockHash, blockHash, type Txid, txid } from '../ids.ts'
import { MAX_MONEY_SATS, type Sats, sats } from '../money.ts'

/** A `getblocktemplate` reply as domain types, not yet judged. Source: BIP 22, 23, 145. */
export type BlockTemplateReply = {
  readonly height: number
  readonly previousBlock: BlockHash
  /** Unsigned 32 bits. */
  readonly version: number
  readonly bits: number
  readonly target: bigint
  /** Seconds since 1970. */
  readonly minTime: number
  readonly curTime: number
  /** The coinbase's whole value. */
  readonly value: Sats
  /** Outputs that the coinbase must have, in this order; an enforcer's template has some. */
  readonly commitments: readonly Output[]
  /** An enforcer made it: what touches sidechains in it is judged under BIP 300 and 301. */
  readonly isEnforced: boolean
  /** Names, with `!` before those that a miner must know. */
  readonly rules: readonly string[]
  readonly mutable: readonly string[]
  readonly longPollId: string | null
  /** The script of the commitment output. */
  readonly witnessCommitment: Uint8Array | null
  /** The script that a signet's blocks must satisfy; null elsewhere. */
  readonly signetChallenge: Uint8Array | null
  readonly transactions: readonly TransactionReply[]
}

/** A transaction that the node puts after the coinbase. */
export type TransactionReply = {
  readonly txid: Txid
  /** Hash with the witness, display order. */
  readonly wtxid: string
  readonly data: Uint8Array
  readonly fee: Sats
  readonly weight: number
  /** What it costs of a block's 80,000 (BIP 141); null where the node does not say. */
  readonly sigops: number | null
}

/** The rules that our blocks keep; a node gives no template to a miner who does not name them. */
export const OUR_RULES: readonly string[] = ['segwit', 'signet']

const OP_RETURN = 0x6a
/** How the script of a commitment to witnesses begins (BIP 141). */
const COMMITMENT_START = Uint8Array.of(OP_RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed)

const hex32 = z.string().regex(/^[0-9a-f]{64}$/)
const bytes = z
  .string()
  .regex(/^(?:[0-9a-f]{2})*$/)
  .transform(hex => new Uint8Array(Buffer.from(hex, 'hex')))
const count = z.int().nonnegative()
/** Whole satoshis; a literal of more than 15 characters arrives as a string. */
const amount = z
  .union([count, z.string().regex(/^\d{1,16}$/)])
  .transform(BigInt)
  .refine(value => value <= MAX_MONEY_SATS)
  .transform(sats)

const transactionReply = z
  .object({
    txid: hex32.transform(txid),
    hash: hex32,
    data: bytes,
    fee: amount,
    weight: z.int().positive(),
    sigops: count.nullish().transform(sigops => sigops ?? null),
  })
  .transform(({ hash: wtxid, ...rest }) => ({ ...rest, wtxid }))

/** What all nodes say alike. */
const fields = {
  height: z.int().positive(),
  previousblockhash: hex32.transform(blockHash),
  version: z.int().transform(version => version >>> 0),
  bits: z
    .string()
    .regex(/^[0-9a-f]{8}$/)
    .transform(hex => Number.parseInt(hex, 16)),
  target: hex32.transform(hex => BigInt(`0x${hex}`)),
  mintime: count,
  curtime: count,
  rules: z.array(z.string()),
  mutable: z.array(z.string()),
  longpollid: z.string().optional(),
  default_witness_commitment: bytes.nullish(),
  signet_challenge: bytes.nullish(),
  transactions: z.array(transactionReply),
}
const common = z.object(fields)

function commonReply(reply: z.infer<typeof common>) {
  return {
    height: reply.height,
    previousBlock: reply.previousblockhash,
    version: reply.version,
    bits: reply.bits,
    target: reply.target,
    minTime: reply.mintime,
    curTime: reply.curtime,
    rules: reply.rules,
    mutable: reply.mutable,
    longPollId: reply.longpollid ?? null,
    witnessCommitment: reply.default_witness_commitment ?? null,
    signetChallenge: reply.signet_challenge ?? null,
    transactions: reply.transactions,
  }
}

/** A template of Bitcoin Core, whose coinbase the miner makes. Source: BIP 22, 23, 145. */
export const coreTemplate = z.object({ ...fields, coinbasevalue: amount }).transform(
  (reply): BlockTemplateReply => ({
    ...commonReply(reply),
    value: reply.coinbasevalue,
    commitments: [],
    isEnforced: false,
  }),
)

/**
 * A template of the enforcer, which brings a coinbase of its own: its outputs that nobody can spend
 * are the commitments, and the one that somebody can is what the miner earns. The commitment to the
 * witnesses, which it may have too, stands in the template by itself.
 *
 * Source: cusf-enforcer-mempool, lib/server.rs. Vectors: test/vectors/enforcer-templates.json.
 */
export const enforcerTemplate = z
  .object({ ...fields, coinbasetxn: z.object({ data: bytes }) })
  .transform((reply, context): BlockTemplateReply => {
    const outputs = parseCoinbase(reply.coinbasetxn.data)?.outputs
    const earned = outputs?.filter(({ script }) => script[0] !== OP_RETURN)
    if (!outputs || !earned || earned.length > 1) {
      const message = outputs ? 'more than one output that can be spent' : 'not a coinbase'
      context.addIssue({ code: 'custom', path: ['coinbasetxn', 'data'], message })
      return z.NEVER
    }
    const isWitness = ({ script }: Output) =>
      equalBytes(script.subarray(0, COMMITMENT_START.length), COMMITMENT_START)
    return {
      ...commonReply(reply),
      value: sats(earned[0]?.value ?? 0n),
      commitments: outputs.filter(each => each.script[0] === OP_RETURN && !isWitness(each)),
      isEnforced: true,
    }
  })
