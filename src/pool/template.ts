import { coinbaseBranches } from '../lib/bitcoin/merkle.ts'
import { NETWORK_FACTS, type Network } from '../lib/bitcoin/network.ts'
import { subsidyAt } from '../lib/bitcoin/subsidy.ts'
import { targetFromNbits, targetHex } from '../lib/bitcoin/target.ts'
import { type Output, packTransactions } from '../lib/bitcoin/tx.ts'
import { equalBytes, fromHex, reversed } from '../lib/bytes.ts'
import type { BlockHash } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import type { BlockTemplateReply, TransactionReply } from '../lib/nodes/block-template.ts'

/** What a job needs of its template, and what `templates` keeps, so that a restart restores it. */
export type TemplateFacts = {
  readonly height: number
  readonly previousBlock: BlockHash
  /** As in the header, signed 32 bits read as unsigned. */
  readonly version: number
  /** The compact target that the header carries. */
  readonly bits: number
  /** A block's hash is at most this. Only a hardened devnet has it below the expansion of bits. */
  readonly target: bigint
  /** Seconds since 1970; the header's time is at least this. */
  readonly minTime: number
  readonly curTime: number
  /** The coinbase's whole value: subsidy and fees. */
  readonly value: Sats
  readonly subsidy: Sats
  /** Merkle branches of the coinbase, internal order, lowest first. */
  readonly branches: readonly Uint8Array[]
  /** The script of the commitment output; null when no transaction has a witness. */
  readonly witnessCommitment: Uint8Array | null
  /** Compact size of the count after the coinbase, then the raw transactions one after another. */
  readonly blockTransactions: Uint8Array
}

/** What a new job is made of. Its coinbase keeps the commitments, so they are not stored apart. */
export type Work = TemplateFacts & {
  /** Outputs that the coinbase has before our own, in this order. */
  readonly commitments: readonly Output[]
}

/** A node's block template, checked. */
export type Template = Work & {
  /** An enforcer made it; else whatever touches sidechains was left out of it, where that is asked. */
  readonly isEnforced: boolean
  /**
   * A signet whose blocks its owners sign (BIP 325): the signature covers the merkle root, so no
   * share of a miner's can become a block. The work is real all the same, and can be paid as work.
   */
  readonly wantsSignature: boolean
  readonly transactions: readonly TransactionReply[]
  /** What may be changed, in the words of BIP 23. */
  readonly mutable: ReadonlySet<string>
  readonly longPollId: string | null
}

/** Why a template cannot be mined; the words stand in logs and on the status page. */
export type TemplateRefusal =
  | 'target is not the expansion of bits'
  | 'rules that this pool does not know'
  | 'segwit is not active'
  | 'malformed template'

export type TemplateOutcome =
  | { readonly kind: 'template'; readonly template: Template }
  | { readonly kind: 'refused'; readonly reason: TemplateRefusal; readonly detail: string }

/** Rules that our blocks keep; one marked `!` that is not among them forbids mining (BIP 9). */
const KNOWN_RULES: readonly string[] = ['segwit', 'signet']
/** OP_TRUE: a signet whose blocks need no signature (BIP 325). */
const TRIVIAL_SIGNET_CHALLENGE = Uint8Array.of(0x51)
const COMMITMENT_START = Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed)
const COMMITMENT_BYTES = 38

/** Makes a node's reply into a template, or says why no block of ours on it would be valid. */
export function readTemplate(reply: BlockTemplateReply, network: Network): TemplateOutcome {
  const refusal = refusalOf(reply, network)
  if (refusal) return { kind: 'refused', ...refusal }
  const { transactions } = reply
  const txids = transactions.map(({ txid }) => reversed(fromHex(txid)))
  const template: Template = {
    height: reply.height,
    previousBlock: reply.previousBlock,
    version: reply.version,
    bits: reply.bits,
    target: reply.target,
    minTime: reply.minTime,
    curTime: reply.curTime,
    value: reply.value,
    commitments: reply.commitments,
    isEnforced: reply.isEnforced,
    subsidy: subsidyAt(reply.height, NETWORK_FACTS[network].halvingInterval),
    branches: coinbaseBranches(txids),
    witnessCommitment: reply.witnessCommitment,
    blockTransactions: packTransactions(transactions.map(({ data }) => data)),
    wantsSignature: wantsSignature(reply),
    transactions,
    mutable: new Set(reply.mutable),
    longPollId: reply.longPollId,
  }
  return { kind: 'template', template }
}

/** Whether blocks on this template are valid only with a signature of the signet's owners. */
export function wantsSignature({ signetChallenge }: BlockTemplateReply): boolean {
  return signetChallenge !== null && !equalBytes(signetChallenge, TRIVIAL_SIGNET_CHALLENGE)
}

type Refusal = { readonly reason: TemplateRefusal; readonly detail: string }

function refusalOf(reply: BlockTemplateReply, network: Network): Refusal | null {
  return refuseRules(reply) ?? refuseTarget(reply, network) ?? refuseFacts(reply, network)
}

function refuseRules({ rules }: BlockTemplateReply): Refusal | null {
  const unknown = rules
    .filter(rule => rule.startsWith('!'))
    .map(rule => rule.slice(1))
    .filter(rule => !KNOWN_RULES.includes(rule))
  if (unknown.length > 0)
    return { reason: 'rules that this pool does not know', detail: unknown.join(', ') }
  if (rules.includes('!segwit') || rules.includes('segwit')) return null
  return { reason: 'segwit is not active', detail: rules.join(', ') || 'no rules at all' }
}

function refuseTarget({ bits, target }: BlockTemplateReply, network: Network): Refusal | null {
  const expansion = targetFromNbits(bits)
  const reason = 'target is not the expansion of bits'
  const bitsText = bits.toString(16).padStart(8, '0')
  if (expansion === null) return { reason, detail: `bits ${bitsText} have no expansion` }
  // A devnet hardens the target so that blocks come every few seconds; none may soften it.
  const isGood = network === 'regtest' ? target <= expansion : target === expansion
  if (isGood) return null
  return { reason, detail: `bits ${bitsText}, target ${targetHex(target)}` }
}

function refuseFacts(reply: BlockTemplateReply, network: Network): Refusal | null {
  const malformed = (detail: string): Refusal => ({ reason: 'malformed template', detail })
  const subsidy = subsidyAt(reply.height, NETWORK_FACTS[network].halvingInterval)
  if (reply.value < subsidy) return malformed(`its value is below the subsidy of ${network}`)
  const commitment = reply.witnessCommitment
  const start = commitment?.subarray(0, COMMITMENT_START.length)
  if (commitment && !(start && equalBytes(start, COMMITMENT_START)))
    return malformed('its witness commitment does not look like one')
  if (commitment && commitment.length !== COMMITMENT_BYTES)
    return malformed('its witness commitment has extra bytes')
  if (!commitment && reply.transactions.some(({ txid, wtxid }) => txid !== wtxid))
    return malformed('it has witnesses, but no commitment to them')
  return null
}
