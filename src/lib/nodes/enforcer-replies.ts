import { z } from 'zod'
import type { Network } from '../bitcoin/network.ts'
import { parseHex } from '../bytes.ts'
import { type BlockHash, blockHash, type Txid, txid } from '../ids.ts'
import { MAX_MONEY_SATS, type Sats, sats } from '../money.ts'

/** A block of the main chain. */
export type MainHeader = {
  readonly hash: BlockHash
  /** Zeros before the first block. */
  readonly previousBlock: BlockHash
  readonly height: number
  /** Seconds since 1970, as its miner said. */
  readonly time: number
}

/** The coin that holds all of a sidechain's bitcoin: each deposit and withdrawal spends it. */
export type Ctip = {
  readonly txid: Txid
  readonly vout: number
  readonly value: Sats
  /** How many moves made it. */
  readonly sequence: bigint
}

/** Where and by which rules the enforcer works. */
export type ChainInfo = {
  /** Null for one that we do not know. */
  readonly network: Network | null
  /** In blocks; zero where the enforcer does not say. */
  readonly withdrawalBundleMaxAge: number
  readonly withdrawalBundleThreshold: number
  readonly activationHeight: number
}

/** A sidechain that is active. */
export type Sidechain = {
  readonly slot: number
  readonly proposalHeight: number
  readonly activationHeight: number
  readonly voteCount: number
}

/** What a main block did to a sidechain. */
export type PegEvent =
  | {
      readonly kind: 'deposit'
      readonly sequence: bigint
      readonly txid: Txid
      readonly vout: number
      /** As it stands in the OP_RETURN, readable or not. */
      readonly address: Uint8Array
      /** What the treasury grew by. */
      readonly value: Sats
    }
  | {
      readonly kind: 'bundle'
      /** 64 hex digits in the order of the bytes. */
      readonly m6id: string
      readonly became: 'submitted' | 'failed' | 'succeeded' | 'unknown'
    }
  /** Of a kind that newer enforcers have. */
  | { readonly kind: 'unknown' }

/** A main block as a sidechain sees it. */
export type PegBlock = {
  readonly header: MainHeader
  /** The H* that it carries, 64 hex digits in the order of the bytes; null without one. */
  readonly bmmCommitment: string | null
  readonly events: readonly PegEvent[]
}

/** A bundle that is voted on. */
export type BundleProposal = {
  readonly m6id: string
  readonly voteCount: number
  readonly proposalHeight: number
}

/** What the enforcer's own wallet holds. */
export type EnforcerBalance = {
  readonly confirmed: Sats
  readonly pending: Sats
  readonly hasSynced: boolean
}

/**
 * Numbers as the JSON of protobuf has them: 64 bits as text, and nothing at all for zero. An empty
 * list and false are left out likewise.
 */
const u32 = z.int().min(0).max(0xffff_ffff).default(0)
const u64 = z
  .union([z.string().regex(/^\d{1,20}$/), z.int().min(0)])
  .transform(BigInt)
  .default(0n)
const amount = u64.refine(value => value <= MAX_MONEY_SATS).transform(sats)
const seconds = u64.refine(value => value <= Number.MAX_SAFE_INTEGER).transform(Number)

/** Hex stands in an object of its own, whatever its byte order. */
const hex32 = z.object({ hex: z.string().regex(/^[0-9a-f]{64}$/) }).transform(({ hex }) => hex)
const bytes = z.object({ hex: z.string().default('') }).transform(({ hex }, context) => {
  const read = parseHex(hex)
  if (read !== null) return read
  context.addIssue('is no hex')
  return z.NEVER
})

const header = z
  .object({
    blockHash: hex32.transform(blockHash),
    prevBlockHash: hex32.transform(blockHash),
    height: u32,
    timestamp: seconds,
  })
  .transform(
    ({ blockHash: hash, prevBlockHash: previousBlock, height, timestamp: time }): MainHeader => ({
      hash,
      previousBlock,
      height,
      time,
    }),
  )

/** Of `GetChainTip`. */
export const chainTipReply = z
  .object({ blockHeaderInfo: header })
  .transform(({ blockHeaderInfo }) => blockHeaderInfo)

const NETWORKS: ReadonlyMap<string, Network> = new Map([
  ['NETWORK_MAINNET', 'mainnet'],
  ['NETWORK_SIGNET', 'signet'],
  ['NETWORK_REGTEST', 'regtest'],
])

/** Of `GetChainInfo`. */
export const chainInfoReply = z
  .object({
    network: z.union([z.string(), z.int()]).optional(),
    bip300Constants: z
      .object({
        withdrawalBundleMaxAge: u32,
        withdrawalBundleInclusionThreshold: u32,
        activationHeight: u32,
      })
      .prefault({}),
  })
  .transform(
    ({ network, bip300Constants }): ChainInfo => ({
      network: NETWORKS.get(String(network)) ?? null,
      withdrawalBundleMaxAge: bip300Constants.withdrawalBundleMaxAge,
      withdrawalBundleThreshold: bip300Constants.withdrawalBundleInclusionThreshold,
      activationHeight: bip300Constants.activationHeight,
    }),
  )

/** Of `GetCtip`. */
export const ctipReply = z
  .object({
    ctip: z
      .object({ txid: hex32.transform(txid), vout: u32, value: amount, sequenceNumber: u64 })
      .transform(({ sequenceNumber, ...rest }): Ctip => ({ ...rest, sequence: sequenceNumber }))
      .optional(),
  })
  .transform(({ ctip }) => ctip ?? null)

/** Of `GetSidechains`. */
export const sidechainsReply = z
  .object({
    sidechains: z
      .array(
        z
          .object({
            sidechainNumber: u32,
            proposalHeight: u32,
            activationHeight: u32,
            voteCount: u32,
          })
          .transform(
            ({ sidechainNumber, ...rest }): Sidechain => ({
              slot: sidechainNumber,
              ...rest,
            }),
          ),
      )
      .default([]),
  })
  .transform(({ sidechains }) => sidechains)

const deposit = z
  .object({
    sequenceNumber: u64,
    outpoint: z.object({ txid: hex32.transform(txid), vout: u32 }),
    output: z.object({ address: bytes.prefault({}), valueSats: amount }),
  })
  .transform(
    ({ sequenceNumber: sequence, outpoint, output }): PegEvent => ({
      kind: 'deposit',
      sequence,
      ...outpoint,
      address: output.address,
      value: output.valueSats,
    }),
  )

const BECAME = ['submitted', 'failed', 'succeeded'] as const

const bundleEvent = z
  .object({ m6id: hex32, event: z.record(z.string(), z.unknown()).default({}) })
  .transform(({ m6id, event }): PegEvent => {
    const became = BECAME.find(each => Object.hasOwn(event, each)) ?? 'unknown'
    return { kind: 'bundle', m6id, became }
  })

/** A known kind that makes no sense is an error; one that nobody knows is passed on as such. */
const pegEvent = z
  .object({ deposit: deposit.optional(), withdrawalBundle: bundleEvent.optional() })
  .transform(
    ({ deposit, withdrawalBundle }): PegEvent => deposit ?? withdrawalBundle ?? { kind: 'unknown' },
  )

const pegBlock = z
  .object({
    headerInfo: header,
    blockInfo: z
      .object({ bmmCommitment: hex32.optional(), events: z.array(pegEvent).default([]) })
      .prefault({}),
  })
  .transform(
    ({ headerInfo, blockInfo: { bmmCommitment, events } }): PegBlock => ({
      header: headerInfo,
      bmmCommitment: bmmCommitment ?? null,
      events,
    }),
  )

/** Of `GetBlockInfo`; an unknown block has none. */
export const blockInfoReply = z
  .object({ infos: z.array(pegBlock).default([]) })
  .transform(({ infos }) => infos)

/** Of `GetBmmHStarCommitment`. */
export const bmmCommitmentReply = z.union([
  z
    .object({ commitment: z.object({ commitment: hex32.optional() }) })
    .transform(({ commitment: { commitment } }) => ({
      kind: 'block' as const,
      commitment: commitment ?? null,
    })),
  z.object({ blockNotFound: z.unknown() }).transform(() => ({ kind: 'unknown block' as const })),
])

/** Of `GetWithdrawalBundleProposals`. */
export const bundlesReply = z
  .object({
    proposals: z.array(z.object({ m6id: hex32, voteCount: u32, proposalHeight: u32 })).default([]),
  })
  .transform(({ proposals }): readonly BundleProposal[] => proposals)

/** Of `GetBalance`. */
export const balanceReply = z
  .object({ confirmedSats: amount, pendingSats: amount, hasSynced: z.boolean().default(false) })
  .transform(
    ({ confirmedSats: confirmed, pendingSats: pending, hasSynced }): EnforcerBalance => ({
      confirmed,
      pending,
      hasSynced,
    }),
  )

/** Of `CreateNewAddress`. */
export const addressReply = z
  .object({ address: z.string().min(1) })
  .transform(({ address }) => address)

/** Of what makes a transaction. */
export const txidReply = z.object({ txid: hex32.transform(txid) }).transform(reply => reply.txid)

/** Of a call that failed. Source: the Connect protocol, error end. */
export const errorReply = z.object({ code: z.string(), message: z.string().default('') })
