import { type BlockRequest, messageScript, readRequest } from '../../../bmm/index.ts'
import {
  type DrivechainOpcode,
  type Withdrawal,
  withdrawalTransaction,
} from '../../../lib/bitcoin/drivechain.ts'
import { displayHash, sha256d } from '../../../lib/bitcoin/hash.ts'
import { coinbaseBranches, merkleRoot } from '../../../lib/bitcoin/merkle.ts'
import { pushHeight, witnessCommitmentScript } from '../../../lib/bitcoin/script.ts'
import {
  COINBASE_WITNESS_BYTES,
  compactSize,
  type Output,
  withCoinbaseWitness,
} from '../../../lib/bitcoin/tx.ts'
import { concat, fromHex, reversed, toHex } from '../../../lib/bytes.ts'
import { judgeMainTransaction } from './judge-transaction.ts'
import { type MainTransaction, readMainTransaction } from './main-block.ts'
import { type PegState, TEST_CONSTANTS } from './peg-state.ts'

/** A transaction that could go into the next block. */
export type Candidate = {
  readonly transaction: MainTransaction
  /** Hash with its witness, display order. */
  readonly wtxid: string
  readonly fee: bigint
  readonly weight: number
}

/** A bundle that a sidechain handed to the enforcer: it proposes it and pays it out. */
export type KnownBundle = {
  readonly slot: number
  readonly m6id: string
  /** As `Withdrawal`, but for what stays in the treasury, which nobody knows before the payout. */
  readonly withdrawal: Omit<Withdrawal, 'treasury'>
  /** What the treasury pays the main chain's miners. */
  readonly fee: bigint
}

/** What the enforcer's operator wants in its blocks. */
export type Policy = {
  /** Sidechains that it proposes. */
  readonly proposals: readonly { readonly slot: number; readonly description: Uint8Array }[]
  /** Votes for every proposal, and for the first bundle of every slot. */
  readonly acksAll: boolean
  readonly bundles: readonly KnownBundle[]
}

/** The inside of a block to be mined. */
export type BlockDraft = {
  /** Without its witness. */
  readonly coinbase: Uint8Array
  readonly transactions: readonly (Candidate & { readonly depends: readonly number[] })[]
  readonly commitment: Uint8Array
  /** Subsidy and fees. */
  readonly value: bigint
}

/** What a miner puts into a block besides what the node would mine. */
export type OwnParts = {
  /** Slot → H* of a side block that is accepted without a bid; bids for the slot are left out. */
  readonly accepts: ReadonlyMap<number, string>
  /** In their order, after all others. */
  readonly transactions: readonly Candidate[]
}

export const NOTHING_OWN: OwnParts = { accepts: new Map(), transactions: [] }

export type DraftOutcome =
  | { readonly kind: 'draft'; readonly draft: BlockDraft }
  /** In the words of the real one: which transaction, and what is wrong with it. */
  | { readonly kind: 'stuck'; readonly transaction: MainTransaction; readonly reason: string }

/**
 * Makes the next block out of what the node would mine. Of the bids for a slot the highest fee
 * wins, and all others go with everything that spends their outputs, the winner too, if it spends
 * the change of a loser. Outputs of the coinbase stand in the order M1, M2, M3, M4, M7, payout,
 * witness commitment; payouts of bundles are the last transactions.
 *
 * Source: bip300301_enforcer, lib/block_producer/mod.rs and coinbase.rs.
 *
 * @param candidates in the node's order, parents first
 */
export function draftBlock(options: {
  readonly state: PegState
  readonly opcode: DrivechainOpcode
  readonly policy: Policy
  readonly candidates: readonly Candidate[]
  readonly subsidy: bigint
  readonly payoutScript: Uint8Array
  /** The own mining of the real one puts the payout in front. */
  readonly payoutFirst: boolean
  readonly own: OwnParts
}): DraftOutcome {
  const { state, opcode, policy, own } = options
  const chosen = [...withoutLosers(options.candidates, state.tip, own), ...own.transactions]
  let after = state
  for (const { transaction } of chosen) {
    const context = { opcode, commitments: null, parent: state.tip }
    const step = judgeMainTransaction(after, transaction, context)
    if (step.kind === 'rejected') return { kind: 'stuck', transaction, reason: step.reason }
    after = step.state
  }
  const payouts = payoutsOf(policy.bundles, after, opcode)
  const transactions = withDepends([...chosen, ...payouts])
  const fees = transactions.reduce((sum, { fee }) => sum + fee, 0n)
  const value = options.subsidy + fees
  const messages = [...policyOutputs(state, policy), ...acceptOutputs(chosen, own)]
  const payout = value > 0n ? [{ value, script: options.payoutScript }] : []
  const commitment = witnessCommitmentScript(commitmentOf(transactions))
  const outputs = [
    ...(options.payoutFirst ? [...payout, ...messages] : [...messages, ...payout]),
    { value: 0n, script: commitment },
  ]
  const coinbase = coinbaseBytes(state.height + 1, outputs)
  return { kind: 'draft', draft: { coinbase, transactions, commitment, value } }
}

function requestOf({ transaction }: Candidate): BlockRequest | null {
  return readRequest(transaction.outputs[0]?.script ?? new Uint8Array())
}

/** Bids for another parent lose too. */
function withoutLosers(
  candidates: readonly Candidate[],
  tip: string,
  { accepts }: OwnParts,
): Candidate[] {
  const best = new Map<number, Candidate>()
  for (const candidate of candidates) {
    const request = requestOf(candidate)
    if (request === null || request.previousBlock !== tip || accepts.has(request.slot)) continue
    const leader = best.get(request.slot)
    // Among equals the real one leaves it to chance; the later one is the recorded case.
    if (leader === undefined || candidate.fee >= leader.fee) best.set(request.slot, candidate)
  }
  const dropped = new Set<string>()
  return candidates.filter(candidate => {
    const { txid, inputs } = candidate.transaction
    const request = requestOf(candidate)
    const loses = request !== null && best.get(request.slot) !== candidate
    const isDropped = loses || inputs.some(input => dropped.has(input.txid))
    if (isDropped) dropped.add(txid)
    return !isDropped
  })
}

function policyOutputs(state: PegState, { proposals, acksAll, bundles }: Policy): Output[] {
  const scripts: Uint8Array[] = []
  const isIn = (description: Uint8Array, slot: number) =>
    [...state.proposals, ...state.active.values()].some(
      each => each.slot === slot && toHex(each.description) === toHex(description),
    )
  for (const { slot, description } of proposals)
    if (!isIn(description, slot)) scripts.push(messageScript({ kind: 'M1', slot, description }))
  const acked = acksAll ? state.proposals : []
  for (const { slot, hash } of acked)
    scripts.push(messageScript({ kind: 'M2', slot, descriptionHash: fromHex(hash) }))
  for (const { slot, m6id } of bundles) {
    const isPending = (state.bundles.get(slot) ?? []).some(each => each.m6id === m6id)
    if (!isPending && state.active.has(slot))
      scripts.push(messageScript({ kind: 'M3', slot, bundle: reversed(fromHex(m6id)) }))
  }
  // A vote has one element a slot, so none is cast where an M2 before it may add a slot.
  const mayActivate = acked.some(proposal => activatesNext(state, proposal.slot, proposal.hash))
  if (acksAll && !mayActivate) {
    const slots = [...state.active.keys()].sort((a, b) => a - b)
    const votes = slots.map(slot => ((state.bundles.get(slot) ?? []).length > 0 ? 0 : 0xff))
    scripts.push(messageScript({ kind: 'M4', votes: { kind: 'one byte', votes } }))
  }
  return scripts.map(script => ({ value: 0n, script }))
}

function activatesNext(state: PegState, slot: number, hash: string): boolean {
  const proposal = state.proposals.find(each => each.slot === slot && each.hash === hash)
  return (
    proposal !== undefined &&
    !state.active.has(slot) &&
    proposal.votes + 1 > TEST_CONSTANTS.unusedSidechainSlotActivationThreshold
  )
}

function acceptOutputs(chosen: readonly Candidate[], { accepts }: OwnParts): Output[] {
  const accepted = new Map(accepts)
  for (const candidate of chosen) {
    const request = requestOf(candidate)
    if (request !== null) accepted.set(request.slot, request.sideBlock)
  }
  return [...accepted].map(([slot, sideBlock]) => ({
    value: 0n,
    script: messageScript({ kind: 'M7', slot, sideBlock }),
  }))
}

/**
 * Bundles with enough votes whose treasury holds what they pay, also one that is too old for the
 * next block: the real one offers its payment too, and throws that block out. Their fee is left to
 * nobody.
 */
function payoutsOf(
  bundles: readonly KnownBundle[],
  state: PegState,
  opcode: DrivechainOpcode,
): Candidate[] {
  const coins = new Map(state.treasuries)
  const paid: Candidate[] = []
  for (const { slot, m6id, withdrawal, fee } of bundles) {
    const pending = (state.bundles.get(slot) ?? []).find(each => each.m6id === m6id)
    const coin = coins.get(slot)
    const total = withdrawal.payouts.reduce((sum, { value }) => sum + value, fee)
    const isReady =
      pending !== undefined && pending.votes > TEST_CONSTANTS.withdrawalBundleInclusionThreshold
    if (!isReady || coin === undefined || coin.value < total) continue
    const treasury = coin.value - total
    const raw = withdrawalTransaction(
      { ...withdrawal, treasury },
      { txid: coin.txid, vout: coin.vout, slot, opcode },
    )
    const transaction = readMainTransaction(raw)
    const { txid } = transaction
    coins.set(slot, { txid, vout: 0, value: treasury, sequence: coin.sequence + 1n })
    paid.push({ transaction, wtxid: txid, fee: 0n, weight: raw.length * WEIGHT_PER_BYTE })
  }
  return paid
}

const WEIGHT_PER_BYTE = 4

/** Places are counted from 0 here; Core counts them from 1. */
function withDepends(candidates: readonly Candidate[]): BlockDraft['transactions'] {
  const places = new Map<string, number>()
  for (const [at, { transaction }] of candidates.entries()) places.set(transaction.txid, at)
  return candidates.map(candidate => {
    const parents = candidate.transaction.inputs.map(input => places.get(input.txid))
    const depends = [...new Set(parents.filter(place => place !== undefined))]
    return { ...candidate, depends: depends.sort((a, b) => a - b) }
  })
}

/** Source: BIP 141; the coinbase counts as zeros, and its witness is zeros. */
function commitmentOf(transactions: readonly Candidate[]): Uint8Array {
  const hashes = transactions.map(({ wtxid }) => reversed(fromHex(wtxid)))
  const root = merkleRoot(new Uint8Array(32), coinbaseBranches(hashes))
  return sha256d(concat(root, new Uint8Array(32)))
}

function coinbaseBytes(height: number, outputs: readonly Output[]): Uint8Array {
  const push = pushHeight(height)
  // Consensus wants two bytes at least.
  const script = push.length < 2 ? concat(push, Uint8Array.of(0)) : push
  const written = outputs.map(({ value, script: paid }) => {
    const amount = new Uint8Array(8)
    new DataView(amount.buffer).setBigUint64(0, value, true)
    return concat(amount, compactSize(paid.length), paid)
  })
  return concat(
    Uint8Array.of(2, 0, 0, 0, 1),
    new Uint8Array(32),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff),
    compactSize(script.length),
    script,
    Uint8Array.of(0xff, 0xff, 0xff, 0xff),
    compactSize(outputs.length),
    ...written,
    new Uint8Array(4),
  )
}

/** A draft's coinbase as the template server shows it. */
export function describeCoinbase({ coinbase, value }: BlockDraft): object {
  const data = withCoinbaseWitness(coinbase)
  return {
    data: toHex(data),
    txid: displayHash(sha256d(coinbase)),
    hash: displayHash(sha256d(data)),
    depends: [],
    fee: -Number(value),
    sigops: null,
    weight: WEIGHT_PER_BYTE * coinbase.length + COINBASE_WITNESS_BYTES,
  }
}
