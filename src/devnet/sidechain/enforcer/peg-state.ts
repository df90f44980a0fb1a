import { type BlockHash, blockHash, type Txid } from '../../../lib/ids.ts'
import { NO_BLOCK, type PegEvent } from '../main-chain.ts'

/** The coin in which a slot's deposits lie: the CTIP. */
export type TreasuryCoin = {
  readonly txid: Txid
  readonly vout: number
  /** Satoshis. */
  readonly value: bigint
  /** How many treasury coins the slot had before it. */
  readonly sequence: bigint
}

/** A sidechain that somebody proposed for a slot. */
export type Proposal = {
  readonly slot: number
  readonly description: Uint8Array
  /** What miners vote on, hex in the order of the bytes. */
  readonly hash: string
  readonly votes: number
  readonly height: number
}

/** A sidechain whose slot is in use. */
export type ActiveSidechain = Proposal & { readonly activationHeight: number }

/** A withdrawal bundle that miners vote on. */
export type PendingBundle = {
  /** Display order. */
  readonly m6id: Txid
  readonly votes: number
  readonly height: number
}

/** What a vote did to the bundles of a slot; the next block may repeat it. */
export type VoteAction =
  | { readonly kind: 'upvote'; readonly m6id: Txid }
  | { readonly kind: 'alarm' }

/** All that BIP 300 remembers after a block. A value: each block has its own. */
export type PegState = {
  readonly tip: BlockHash
  /** −1 before the genesis block. */
  readonly height: number
  readonly proposals: readonly Proposal[]
  /** By slot. */
  readonly active: ReadonlyMap<number, ActiveSidechain>
  readonly treasuries: ReadonlyMap<number, TreasuryCoin>
  /** In the order in which they were proposed; votes name them by their place. */
  readonly bundles: ReadonlyMap<number, readonly PendingBundle[]>
  readonly lastVotes: ReadonlyMap<number, VoteAction>
}

/** What a block did: the side block that it accepts for a slot, and what became of treasuries. */
export type BlockEffects = {
  readonly commitments: ReadonlyMap<number, string>
  readonly events: readonly { readonly slot: number; readonly event: PegEvent }[]
}

/** Before any block. */
export const FIRST_STATE: PegState = {
  tip: blockHash(NO_BLOCK),
  height: -1,
  proposals: [],
  active: new Map(),
  treasuries: new Map(),
  bundles: new Map(),
  lastVotes: new Map(),
}

/**
 * The numbers of BIP 300 on regtest and on LayerTwo's signet: everything is over in minutes.
 * Source: bip300301_enforcer, lib/types.rs.
 */
export const TEST_CONSTANTS = {
  withdrawalBundleMaxAge: 10,
  withdrawalBundleInclusionThreshold: 5,
  usedSidechainSlotProposalMaxAge: 10,
  usedSidechainSlotActivationThreshold: 5,
  unusedSidechainSlotProposalMaxAge: 10,
  unusedSidechainSlotActivationThreshold: 5,
} as const

/** Slots in use, ascending: a vote has one element for each. */
export function activeSlots(state: PegState): number[] {
  return [...state.active.keys()].sort((a, b) => a - b)
}

/** A copy of a map with one entry set. */
export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value)
}

/**
 * Whether a bundle has failed by its age in a block of that height. It fails before the block's
 * transactions are looked at, so that no block pays it any more, however many votes it has.
 * Source: bip300301_enforcer, lib/validator/task/mod.rs, connect_block.
 */
export function isBundleTooOld({ height }: Pick<PendingBundle, 'height'>, at: number): boolean {
  return at - height > TEST_CONSTANTS.withdrawalBundleMaxAge
}

/** Whether one more vote at that height activates a proposal. */
export function activates(state: PegState, { slot, votes, height }: Proposal, at: number): boolean {
  const age = at - height
  return state.active.has(slot)
    ? votes + 1 > TEST_CONSTANTS.usedSidechainSlotActivationThreshold &&
        age <= TEST_CONSTANTS.usedSidechainSlotProposalMaxAge
    : votes + 1 > TEST_CONSTANTS.unusedSidechainSlotActivationThreshold &&
        age <= TEST_CONSTANTS.unusedSidechainSlotProposalMaxAge
}
