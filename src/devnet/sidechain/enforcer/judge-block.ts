import type { DrivechainOpcode } from '../../../lib/bitcoin/drivechain.ts'
import { judgeCoinbase } from './judge-coinbase.ts'
import { judgeMainTransaction } from './judge-transaction.ts'
import type { MainBlock } from './main-block.ts'
import type { BlockEffects, PegState } from './peg-state.ts'

/** How an enforcer judges a block that plain nodes accept. */
export type BlockVerdict =
  | { readonly kind: 'accepted'; readonly state: PegState; readonly effects: BlockEffects }
  /** It calls `invalidateblock` on its own node; the reason is what it writes into its log. */
  | { readonly kind: 'rejected'; readonly reason: string }

/**
 * Judges a block on top of the state of its parent by the rules of BIP 300 and 301 as they are
 * enforced. Held to the verdicts of the real one by test/devnet/sidechain/recorded-blocks.test.ts.
 *
 * Source: bip300301_enforcer, lib/validator/task/mod.rs, connect_block.
 */
export function judgeBlock(
  before: PegState,
  block: MainBlock,
  opcode: DrivechainOpcode,
): BlockVerdict {
  const [coinbase, ...transactions] = block.transactions
  const messages = judgeCoinbase(before, coinbase?.outputs ?? [])
  if (messages.kind === 'rejected') return messages
  const { commitments } = messages
  const context = { opcode, commitments, parent: block.previous }
  let state: PegState = { ...messages.state, tip: block.hash }
  const events = [...messages.events]
  const bidden = new Set<number>()
  for (const transaction of transactions) {
    const step = judgeMainTransaction(state, transaction, context)
    if (step.kind === 'rejected') {
      const where = `transaction \`${transaction.txid}\` in block \`${block.hash}\``
      return { kind: 'rejected', reason: `Error handling ${where}: ${step.reason}` }
    }
    const slot = step.request?.slot
    if (slot !== undefined && bidden.has(slot))
      return {
        kind: 'rejected',
        reason: `Multiple BMM requests accepted in sidechain slot ${slot}`,
      }
    if (slot !== undefined) bidden.add(slot)
    state = step.state
    events.push(...step.events)
  }
  return { kind: 'accepted', state, effects: { commitments, events } }
}
