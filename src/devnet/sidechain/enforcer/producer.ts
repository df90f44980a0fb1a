import { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import type { DrivechainOpcode } from '../../../lib/bitcoin/drivechain.ts'
import { sha256d } from '../../../lib/bitcoin/hash.ts'
import { buildHeader } from '../../../lib/bitcoin/header.ts'
import { coinbaseBranches, merkleRoot } from '../../../lib/bitcoin/merkle.ts'
import { subsidyAt } from '../../../lib/bitcoin/subsidy.ts'
import { targetFromNbits } from '../../../lib/bitcoin/target.ts'
import {
  assembleBlockBytes,
  packTransactions,
  withCoinbaseWitness,
} from '../../../lib/bitcoin/tx.ts'
import { bigintFromLe, fromHex, reversed, toHex } from '../../../lib/bytes.ts'
import { blockHash } from '../../../lib/ids.ts'
import type { NodeFollower } from './follow-node.ts'
import { readMainTransaction } from './main-block.ts'
import {
  type BlockDraft,
  type Candidate,
  draftBlock,
  type KnownBundle,
  type OwnParts,
} from './template.ts'

/** The node's template, as far as the enforcer's own one takes it over. */
export type NodeTemplate = z.infer<typeof nodeTemplate>

export type ProducedDraft =
  | { readonly kind: 'draft'; readonly draft: BlockDraft; readonly node: NodeTemplate }
  /** In the real one's words. */
  | { readonly kind: 'stuck'; readonly text: string }

/** Makes blocks: for the template server, and for its own mining. */
export type BlockProducer = {
  /** What the operator wants; may be changed. */
  readonly policy: {
    proposals: { readonly slot: number; readonly description: Uint8Array }[]
    acksAll: boolean
    bundles: KnownBundle[]
  }
  readonly draft: (
    payoutScript: Uint8Array,
    payoutFirst: boolean,
    own: OwnParts,
  ) => Promise<ProducedDraft>
  /** Mines one block to a script on the spot. Its hash, or why there can be none. */
  readonly mine: (payoutScript: Uint8Array, own: OwnParts) => Promise<MineOutcome>
}

export type MineOutcome =
  | { readonly kind: 'mined'; readonly hash: string }
  | { readonly kind: 'stuck'; readonly text: string }

const REGTEST_HALVING_INTERVAL = 150
const NONCES_MAX = 2 ** 32

const nodeTemplate = z.object({
  version: z.number(),
  previousblockhash: z.string(),
  bits: z.string(),
  target: z.string(),
  mintime: z.number(),
  curtime: z.number(),
})

export function blockProducer(options: {
  readonly follower: NodeFollower
  readonly opcode: DrivechainOpcode
  /** What the next block can have, parents first. */
  readonly candidates: () => Promise<readonly Candidate[]>
}): BlockProducer {
  const { follower, opcode } = options
  const policy: BlockProducer['policy'] = { proposals: [], acksAll: true, bundles: [] }

  async function draft(
    payoutScript: Uint8Array,
    payoutFirst: boolean,
    own: OwnParts,
  ): Promise<ProducedDraft> {
    const request = { rules: ['segwit'] }
    let node = nodeTemplate.parse(await follower.call('getblocktemplate', request))
    let state = await follower.sync()
    // A block may have come in between: a template of the old tip would be one of no use.
    while (node.previousblockhash !== state.tip) {
      node = nodeTemplate.parse(await follower.call('getblocktemplate', request))
      state = await follower.sync()
    }
    const outcome = draftBlock({
      state,
      opcode,
      policy,
      candidates: await options.candidates(),
      subsidy: subsidyAt(state.height + 1, REGTEST_HALVING_INTERVAL),
      payoutScript,
      payoutFirst,
      own,
    })
    if (outcome.kind === 'draft') return { kind: 'draft', draft: outcome.draft, node }
    const { transaction, reason } = outcome
    // The real one puts the hash of a block there that it makes up for the purpose.
    const block = toHex(reversed(sha256d(transaction.raw)))
    const where = `transaction \`${transaction.txid}\` in block \`${block}\``
    const text = `Failed to apply initial block template: Error handling ${where}: ${reason}`
    return { kind: 'stuck', text }
  }

  return {
    policy,
    draft,
    async mine(payoutScript, own) {
      const produced = await draft(payoutScript, true, own)
      if (produced.kind === 'stuck') return produced
      const block = findNonce(produced.draft, produced.node)
      const refusal = await follower.call('submitblock', toHex(block))
      if (refusal !== null) throw new Error(`the node refuses a block of ours: ${refusal}`)
      await follower.sync()
      return { kind: 'mined', hash: toHex(reversed(sha256d(block.subarray(0, 80)))) }
    },
  }
}

/** A transaction of somebody's who does not ask the node: its fee is left to nobody. */
export function ownCandidate(raw: Uint8Array): Candidate {
  const transaction = readMainTransaction(raw)
  const parsed = Transaction.fromBuffer(raw)
  const wtxid = toHex(reversed(parsed.getHash(true)))
  return { transaction, wtxid, fee: 0n, weight: parsed.weight() }
}

/** Regtest's target lets every second hash through. */
function findNonce({ coinbase, transactions }: BlockDraft, node: NodeTemplate): Uint8Array {
  const txids = transactions.map(({ transaction }) => reversed(fromHex(transaction.txid)))
  const bits = Number.parseInt(node.bits, 16)
  const target = targetFromNbits(bits) ?? 0n
  const packed = packTransactions(transactions.map(({ transaction }) => transaction.raw))
  for (let nonce = 0; nonce < NONCES_MAX; nonce++) {
    const header = buildHeader({
      version: node.version,
      previousBlock: blockHash(node.previousblockhash),
      merkleRoot: merkleRoot(sha256d(coinbase), coinbaseBranches(txids)),
      time: Math.max(node.curtime, node.mintime),
      bits,
      nonce,
    })
    if (bigintFromLe(sha256d(header)) <= target)
      return assembleBlockBytes(header, withCoinbaseWitness(coinbase), packed)
  }
  throw new Error('no nonce makes a block')
}
