import type { Output } from '../bitcoin/tx.ts'
import type { BlockHash, Txid } from '../ids.ts'
import type { Sats } from '../money.ts'

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
