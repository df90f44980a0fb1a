import { unreachable } from '../../../lib/assert.ts'
import { compactSize } from '../../../lib/bitcoin/tx.ts'
import { concat, fromHex, reversed, toHex } from '../../../lib/bytes.ts'
import type { PegEvent } from '../main-chain.ts'
import type { KnownBlock } from './blocks.ts'
import type { ActiveSidechain, PegState, Proposal, TreasuryCoin } from './peg-state.ts'

/**
 * The enforcer's replies in proto3 JSON: 64-bit numbers as text, and no field that is zero, empty
 * or false, except those in a wrapper.
 */

/** Hex in the order in which it is given: `ReverseHex` for display order, `ConsensusHex` else. */
function hex(digits: string): { readonly hex: string } {
  return { hex: digits }
}

/** The work of one block of regtest, whose target never changes: 2 hashes, in 32 bytes. */
const REGTEST_WORK = `02${'00'.repeat(31)}`

export function headerInfo({ hash, previous, height, time }: KnownBlock): object {
  return {
    blockHash: hex(hash),
    prevBlockHash: hex(previous),
    ...(height === 0 ? {} : { height }),
    work: hex(REGTEST_WORK),
    timestamp: String(time),
  }
}

/** One entry of GetBlockInfo's `infos`, for one slot. */
export function blockInfo(slot: number, block: KnownBlock): object {
  const commitment = block.effects.commitments.get(slot)
  const events = block.effects.events.filter(each => each.slot === slot)
  return {
    headerInfo: headerInfo(block),
    blockInfo: {
      ...(commitment === undefined ? {} : { bmmCommitment: hex(commitment) }),
      ...(events.length === 0 ? {} : { events: events.map(({ event }) => eventJson(event)) }),
    },
  }
}

function eventJson(event: PegEvent): object {
  switch (event.kind) {
    case 'deposit': {
      const { sequence, txid, vout, address, value } = event
      return {
        deposit: {
          sequenceNumber: String(sequence),
          outpoint: { txid: hex(txid), vout },
          output: { address: hex(toHex(address)), valueSats: String(value) },
        },
      }
    }
    case 'bundle submitted':
      return bundleEvent(event.m6id, { submitted: {} })
    case 'bundle failed':
      return bundleEvent(event.m6id, { failed: {} })
    case 'bundle succeeded': {
      const { sequence, transaction } = event
      const succeeded = { sequenceNumber: String(sequence), transaction: hex(toHex(transaction)) }
      return bundleEvent(event.m6id, { succeeded })
    }
    default:
      return unreachable(event)
  }
}

function bundleEvent(m6id: string, event: object): object {
  return { withdrawalBundle: { m6id: hex(internal(m6id)), event } }
}

/** GetCtip. */
export function treasuryJson(coin: TreasuryCoin | undefined): object {
  if (coin === undefined) return {}
  const { txid, vout, value, sequence } = coin
  return {
    ctip: {
      txid: hex(txid),
      ...(vout === 0 ? {} : { vout }),
      value: String(value),
      ...(sequence === 0n ? {} : { sequenceNumber: String(sequence) }),
    },
  }
}

/** GetSidechains. */
export function sidechainsJson(state: PegState): object {
  const sidechains = [...state.active.values()].map(sidechain => ({
    ...common(sidechain),
    voteCount: sidechain.votes,
    proposalHeight: sidechain.height,
    activationHeight: sidechain.activationHeight,
  }))
  return sidechains.length === 0 ? {} : { sidechains }
}

/** GetSidechainProposals. */
export function proposalsJson(state: PegState): object {
  const sidechainProposals = state.proposals.map(proposal => ({
    ...common(proposal),
    descriptionSha256dHash: hex(internal(proposal.hash)),
    voteCount: proposal.votes,
    proposalHeight: proposal.height,
    proposalAge: state.height - proposal.height,
  }))
  return sidechainProposals.length === 0 ? {} : { sidechainProposals }
}

/** GetWithdrawalBundleProposals. */
export function bundlesJson(state: PegState, slot: number): object {
  const proposals = (state.bundles.get(slot) ?? []).map(({ m6id, votes, height }) => ({
    m6id: hex(internal(m6id)),
    voteCount: votes,
    proposalHeight: height,
  }))
  return proposals.length === 0 ? {} : { proposals }
}

function common({ slot, description }: Proposal | ActiveSidechain): object {
  const declaration = declarationJson(description)
  return {
    sidechainNumber: slot,
    description: hex(toHex(concat(compactSize(description.length), description))),
    ...(declaration === null ? {} : { declaration }),
  }
}

/** Null for a description of a version that nobody knows. */
function declarationJson(description: Uint8Array): object | null {
  const [version, titleLength = 0] = description
  const hashesAt = description.length - HASH_ID_1_BYTES - HASH_ID_2_BYTES
  if (version !== 0 || hashesAt < 2 + titleLength) return null
  const words = new TextDecoder()
  return {
    v0: {
      title: words.decode(description.subarray(2, 2 + titleLength)),
      description: words.decode(description.subarray(2 + titleLength, hashesAt)),
      hashId1: hex(toHex(description.subarray(hashesAt, hashesAt + HASH_ID_1_BYTES))),
      hashId2: hex(toHex(description.subarray(hashesAt + HASH_ID_1_BYTES))),
    },
  }
}

const HASH_ID_1_BYTES = 32
const HASH_ID_2_BYTES = 20

/** A hash of display order in the order of its bytes, and back. */
function internal(digits: string): string {
  return toHex(reversed(fromHex(digits)))
}
