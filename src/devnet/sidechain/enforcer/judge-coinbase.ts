import { type CoinbaseMessage, descriptionHash, readMessage } from '../../../bmm/index.ts'
import { unreachable } from '../../../lib/assert.ts'
import { displayHash } from '../../../lib/bitcoin/hash.ts'
import type { Output } from '../../../lib/bitcoin/tx.ts'
import { toHex } from '../../../lib/bytes.ts'
import { txid } from '../../../lib/ids.ts'
import type { PegEvent } from '../main-chain.ts'
import { judgeVotes } from './judge-votes.ts'
import {
  activates,
  isBundleTooOld,
  type PegState,
  type PendingBundle,
  type Proposal,
  TEST_CONSTANTS,
  withEntry,
} from './peg-state.ts'

/** A block that enforcers throw out, with their words for it. */
export type Rejected = { readonly kind: 'rejected'; readonly reason: string }

export type CoinbaseOutcome =
  | Rejected
  | {
      readonly kind: 'applied'
      readonly state: PegState
      /** Slot → H* of the side block that is accepted for it. */
      readonly commitments: ReadonlyMap<number, string>
      readonly events: readonly SlotEvent[]
    }

export type SlotEvent = { readonly slot: number; readonly event: PegEvent }

/**
 * Applies the messages in a coinbase, in the order of its outputs, and then what time does: old
 * proposals and old bundles fail.
 *
 * Source: bip300301_enforcer, lib/validator/task/mod.rs, connect_block.
 */
export function judgeCoinbase(before: PegState, outputs: readonly Output[]): CoinbaseOutcome {
  const messages: CoinbaseMessage[] = []
  const seen = new Map<string, number>()
  for (const [index, { script }] of outputs.entries()) {
    const message = readMessage(script)
    if (message === null) continue
    const earlier = seen.get(onceKey(message))
    if (earlier !== undefined) return rejected(duplicateText(message, earlier))
    if (message.kind !== 'M3') seen.set(onceKey(message), index)
    messages.push(message)
  }
  const height = before.height + 1
  let state: PegState = { ...before, height, lastVotes: new Map() }
  const events: SlotEvent[] = []
  for (const message of messages) {
    const step = applyMessage(state, message, before)
    if (step.kind === 'rejected') return step
    state = step.state
    if (message.kind === 'M3') {
      const m6id = txid(displayHash(message.bundle))
      events.push({ slot: message.slot, event: { kind: 'bundle submitted', m6id } })
    }
  }
  const aged = failOldBundles(failOldProposals(state))
  const commitments = new Map<number, string>()
  for (const message of messages)
    if (message.kind === 'M7') commitments.set(message.slot, message.sideBlock)
  return {
    kind: 'applied',
    state: aged.state,
    commitments,
    events: [...events, ...aged.events],
  }
}

/** What a coinbase may hold once; bundles are told apart by the state. */
function onceKey(message: CoinbaseMessage): string {
  switch (message.kind) {
    case 'M1':
      return `M1 ${message.slot} ${toHex(descriptionHash(message.description))}`
    case 'M2':
    case 'M3':
    case 'M7':
      return `${message.kind} ${message.slot}`
    case 'M4':
      return 'M4'
    default:
      return unreachable(message)
  }
}

function duplicateText(message: CoinbaseMessage, index: number): string {
  switch (message.kind) {
    case 'M1': {
      const hash = displayHash(descriptionHash(message.description))
      return (
        `M1 sidechain proposal for slot \`${message.slot}\` with sidechain description hash ` +
        `\`${hash}\` already included at index \`${index}\``
      )
    }
    case 'M2':
      return `M2 that acks proposal for slot \`${message.slot}\` already included at index \`${index}\``
    case 'M3':
    case 'M4':
      return `M4 already included at index \`${index}\``
    case 'M7':
      return `M7 for slot \`${message.slot}\` already included at index \`${index}\``
    default:
      return unreachable(message)
  }
}

type Step = Rejected | { readonly kind: 'applied'; readonly state: PegState }

function applyMessage(state: PegState, message: CoinbaseMessage, before: PegState): Step {
  switch (message.kind) {
    case 'M1':
      return applied(propose(state, message.slot, message.description))
    case 'M2':
      return applied(acknowledge(state, message.slot, toHex(message.descriptionHash)))
    case 'M3':
      return proposeBundle(state, message)
    case 'M4':
      return judgeVotes(state, message.votes, before.lastVotes)
    case 'M7':
      // Of a slot that is not active too: nobody looks at it there.
      return applied(state)
    default:
      return unreachable(message)
  }
}

/** The same proposal again is ignored, so that nobody can set its votes back. */
function propose(state: PegState, slot: number, description: Uint8Array): PegState {
  const hash = toHex(descriptionHash(description))
  const isKnown = state.proposals.some(each => each.slot === slot && each.hash === hash)
  if (isKnown) return state
  const proposal: Proposal = { slot, description, hash, votes: 0, height: state.height }
  return { ...state, proposals: [...state.proposals, proposal] }
}

/** A vote for nothing, or for what this very block proposes, is ignored. */
function acknowledge(state: PegState, slot: number, hash: string): PegState {
  const found = state.proposals.find(each => each.slot === slot && each.hash === hash)
  if (!found || found.height === state.height) return state
  const voted = { ...found, votes: found.votes + 1 }
  const others = state.proposals.filter(each => each !== found)
  if (!activates(state, found, state.height))
    return { ...state, proposals: state.proposals.map(each => (each === found ? voted : each)) }
  const sidechain = { ...voted, activationHeight: state.height }
  return {
    ...state,
    proposals: others,
    active: withEntry(state.active, slot, sidechain),
    bundles: withEntry(state.bundles, slot, []),
  }
}

function proposeBundle(
  state: PegState,
  { slot, bundle }: { readonly slot: number; readonly bundle: Uint8Array },
): Step {
  const error = 'Error handling M3 (propose bundle)'
  if (!state.active.has(slot))
    return rejected(`${error}: Cannot propose bundle; sidechain slot ${slot} is inactive`)
  const m6id = txid(displayHash(bundle))
  const pending = state.bundles.get(slot) ?? []
  if (pending.some(each => each.m6id === m6id))
    return rejected(
      `${error}: withdrawal bundle ${m6id} for sidechain slot ${slot} is already pending`,
    )
  // The block that proposes a bundle votes for it by that.
  const added = [...pending, { m6id, votes: 1, height: state.height }]
  return applied({ ...state, bundles: withEntry(state.bundles, slot, added) })
}

function failOldProposals(state: PegState): PegState {
  const proposals = state.proposals.filter(({ slot, height, votes }) => {
    const isUsed = state.active.has(slot)
    const [maxAge, threshold] = isUsed
      ? [
          TEST_CONSTANTS.usedSidechainSlotProposalMaxAge,
          TEST_CONSTANTS.usedSidechainSlotActivationThreshold,
        ]
      : [
          TEST_CONSTANTS.unusedSidechainSlotProposalMaxAge,
          TEST_CONSTANTS.unusedSidechainSlotActivationThreshold,
        ]
    const age = state.height - height
    const failsMax = maxAge - threshold
    return !(age > maxAge || (age > failsMax && age - votes >= failsMax))
  })
  return { ...state, proposals }
}

function failOldBundles(state: PegState) {
  const events: SlotEvent[] = []
  const isOld = (bundle: PendingBundle) => isBundleTooOld(bundle, state.height)
  let kept = state.bundles
  for (const [slot, pending] of state.bundles) {
    const failed = pending.filter(isOld)
    if (failed.length === 0) continue
    kept = withEntry(
      kept,
      slot,
      pending.filter(each => !isOld(each)),
    )
    for (const { m6id } of failed) events.push({ slot, event: { kind: 'bundle failed', m6id } })
  }
  return { state: { ...state, bundles: kept }, events }
}

function applied(state: PegState): Step {
  return { kind: 'applied', state }
}

function rejected(reason: string): Rejected {
  return { kind: 'rejected', reason }
}
