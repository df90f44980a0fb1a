import { type BlockRequest, readRequest } from '../../../bmm/index.ts'
import {
  type DrivechainOpcode,
  readDepositAddress,
  readTreasuryOutput,
  withdrawalId,
} from '../../../lib/bitcoin/drivechain.ts'
import type { BlockHash } from '../../../lib/ids.ts'
import { sats } from '../../../lib/money.ts'
import type { SlotEvent } from './judge-coinbase.ts'
import type { MainTransaction } from './main-block.ts'
import { type PegState, TEST_CONSTANTS, type TreasuryCoin, withEntry } from './peg-state.ts'

export type TransactionOutcome =
  /** The reason completes `Error handling transaction …: `. */
  | { readonly kind: 'rejected'; readonly reason: string }
  | {
      readonly kind: 'applied'
      readonly state: PegState
      readonly events: readonly SlotEvent[]
      /** The bid that it is, when it is one. */
      readonly request: BlockRequest | null
    }

/**
 * Applies a transaction after the coinbase: a deposit (M5), a withdrawal (M6), a bid (M8), or none.
 *
 * @param commitments of the block's coinbase; null judges a transaction of the mempool, which may
 *   still find its M7
 * @param parent of the block: the only one for which a bid holds
 * Source: bip300301_enforcer, lib/validator/task/mod.rs, handle_transaction.
 */
export function judgeMainTransaction(
  state: PegState,
  transaction: MainTransaction,
  context: {
    readonly opcode: DrivechainOpcode
    readonly commitments: ReadonlyMap<number, string> | null
    readonly parent: BlockHash
  },
): TransactionOutcome {
  const peg = judgePeg(state, transaction, context.opcode)
  if (peg.kind === 'rejected') return rejected(`Error handling M5/M6: ${peg.reason}`)
  const request = readRequest(transaction.outputs[0]?.script ?? new Uint8Array())
  if (request === null) return { ...peg, request }
  const isAccepted = context.commitments?.get(request.slot) === request.sideBlock
  if (context.commitments !== null && !isAccepted)
    return rejected('Error handling M8: Cannot include BMM request; not accepted by miners')
  if (request.previousBlock !== context.parent)
    return rejected('Error handling M8: BMM request expired')
  return { ...peg, request }
}

type PegOutcome =
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'applied'; readonly state: PegState; readonly events: readonly SlotEvent[] }

function judgePeg(
  before: PegState,
  transaction: MainTransaction,
  opcode: DrivechainOpcode,
): PegOutcome {
  const made = new Map<number, number>()
  for (const [vout, { script }] of transaction.outputs.entries()) {
    const slot = readTreasuryOutput(script, opcode)
    // The treasury of a slot that nobody uses is an output like any other.
    if (slot === null || !before.active.has(slot)) continue
    if (made.has(slot)) return rejected(`Multiple OP_DRIVECHAIN outputs for sidechain ${slot}`)
    made.set(slot, vout)
  }
  const spent = spentTreasuries(before, transaction)
  for (const slot of spent)
    if (!made.has(slot))
      return rejected(
        `treasury UTXO for sidechain ${slot} is spent without creating a new treasury UTXO`,
      )
  let state = before
  const events: SlotEvent[] = []
  for (const [slot, vout] of made) {
    const old = state.treasuries.get(slot) ?? null
    if (old !== null && !spent.includes(slot))
      return rejected(`Old Ctip for sidechain ${slot} is unspent`)
    const step = judgeTreasury(state, transaction, { slot, vout, old })
    if (step.kind === 'rejected') return step
    if (events.some(({ event }) => event.kind !== step.events[0]?.event.kind))
      return rejected('Cannot be both M5 deposit and M6 withdrawal')
    state = step.state
    events.push(...step.events)
  }
  return { kind: 'applied', state, events }
}

function spentTreasuries(state: PegState, { inputs }: MainTransaction): number[] {
  return [...state.treasuries]
    .filter(([, coin]) => inputs.some(i => i.txid === coin.txid && i.vout === coin.vout))
    .map(([slot]) => slot)
}

type NewTreasury = {
  readonly slot: number
  readonly vout: number
  readonly old: TreasuryCoin | null
}

function judgeTreasury(
  state: PegState,
  transaction: MainTransaction,
  { slot, vout, old }: NewTreasury,
): PegOutcome {
  const value = transaction.outputs[vout]?.value ?? 0n
  const held = old?.value ?? 0n
  if (value === held) return rejected('cannot deposit or withdraw zero sats from sidechain')
  const sequence = old === null ? 0n : old.sequence + 1n
  const { txid } = transaction
  const coin: TreasuryCoin = { txid, vout, value, sequence }
  const treasuries = withEntry(state.treasuries, slot, coin)
  if (value < held)
    return judgeWithdrawal({ ...state, treasuries }, transaction, { slot, vout, coin, held })
  const address = readDepositAddress(transaction.outputs[vout + 1]?.script ?? new Uint8Array())
  if (address === null)
    return rejected(`M5 deposit for sidechain ${slot} has no address OP_RETURN output`)
  const deposit = { txid, vout, sequence, address, value: sats(value - held) }
  return {
    kind: 'applied',
    state: { ...state, treasuries },
    events: [{ slot, event: { kind: 'deposit', ...deposit } }],
  }
}

/** Source: as above, handle_m6. */
function judgeWithdrawal(
  state: PegState,
  transaction: MainTransaction,
  withdrawal: {
    readonly slot: number
    readonly vout: number
    readonly coin: TreasuryCoin
    readonly held: bigint
  },
): PegOutcome {
  const { slot, vout, coin, held } = withdrawal
  const { inputs, outputs, version, locktime } = transaction
  if (inputs.length !== 1)
    return badM6(`invalid input count (${inputs.length}); M6 withdrawals must have exactly 1 input`)
  if (vout !== 0)
    return badM6(`invalid treasury output index (${vout}); must be at index 0 in tx outputs`)
  const payouts = outputs.slice(1)
  const m6id = withdrawalId({ version, locktime, treasury: coin.value, payouts }, held)
  const pending = state.bundles.get(slot) ?? []
  const bundle = pending.find(each => each.m6id === m6id)
  if (!bundle)
    return badM6(`M6ID ${m6id} does not correspond to a pending withdrawal for sidechain ${slot}`)
  const threshold = TEST_CONSTANTS.withdrawalBundleInclusionThreshold
  if (bundle.votes <= threshold)
    return badM6(
      `vote count (${bundle.votes}) is below threshold (${threshold}) for withdrawal bundle ${m6id}`,
    )
  const rest = pending.filter(each => each !== bundle)
  const { sequence } = coin
  const event = { kind: 'bundle succeeded', m6id, sequence, transaction: transaction.raw } as const
  return {
    kind: 'applied',
    state: { ...state, bundles: withEntry(state.bundles, slot, rest) },
    events: [{ slot, event }],
  }
}

function badM6(reason: string): PegOutcome {
  return rejected(`Invalid M6 withdrawal: ${reason}`)
}

function rejected(reason: string): { readonly kind: 'rejected'; readonly reason: string } {
  return { kind: 'rejected', reason }
}
