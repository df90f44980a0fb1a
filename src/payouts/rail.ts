import type { Purpose } from '../approval/index.ts'
import type { LedgerAccount } from '../ledger/index.ts'
import type { BatchId, Txid } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'

/** Sending money has three outcomes; `unknown` keeps it reserved until positive evidence. */
export type SendOutcome =
  /** The network has it. */
  | { readonly kind: 'sent' }
  /** It may have: only `check` may decide. No reply of a node proves that it never can. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** What evidence says of a batch that may have left. */
export type CheckOutcome =
  /** Final: this version paid, with this fee; `confirmations` is how deep it is. */
  | {
      readonly kind: 'settled'
      readonly version: number
      readonly fee: Sats
      readonly confirmations: number
    }
  /** On its way; `confirmations` 0 means in a mempool. */
  | { readonly kind: 'waiting'; readonly confirmations: number }
  /** Nobody has it now; send the same bytes again. Money stays reserved. */
  | { readonly kind: 'missing' }
  /** The anchor is spent for good by something that is no version of this batch. */
  | { readonly kind: 'dead'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }

/** What a rail made of an approved batch, or why it did not. */
export type PrepareOutcome =
  /** The signed bytes are stored, and the batch has moved to `prepared` in the same commit. */
  | { readonly kind: 'prepared' }
  | { readonly kind: 'waits'; readonly reason: string }
  /** Its time was up before anything was signed, and nothing ever will be. */
  | { readonly kind: 'expired' }
  /** The anchor is spent for good by something else. */
  | { readonly kind: 'dead'; readonly reason: string }
  /** Another worker took the lease; nothing was written. */
  | { readonly kind: 'fenced' }

/** Whether others have completed and sent what the rail had only begun. */
export type AdoptOutcome =
  | { readonly kind: 'nothing' }
  /** Its bytes are stored now, and the batch has moved and is booked in the same commit. */
  | { readonly kind: 'adopted' }
  | { readonly kind: 'waits'; readonly reason: string }
  | { readonly kind: 'fenced' }

/** What became of the wish to have a batch confirm sooner. */
export type BumpOutcome =
  /** A new version is signed and stored; the batch is back in `prepared` in the same commit. */
  | { readonly kind: 'bumped' }
  /** Nothing to do now: it confirms soon enough, or a further version would help nobody. */
  | { readonly kind: 'stays' }
  /** It should be bumped, and cannot be yet; what was sent stays as it is. */
  | { readonly kind: 'waits'; readonly reason: string }
  | { readonly kind: 'fenced' }

/** Whether a destination can be paid on a rail, in its one canonical spelling. */
export type Destination =
  | {
      readonly kind: 'payable'
      readonly canonical: string
      readonly dust: Sats
      /** What it is paid at once at most; absent where nothing bounds it. */
      readonly most?: Sats
    }
  | { readonly kind: 'unpayable'; readonly reason: string }

/** A coin that a rail can spend. */
export type Coin = {
  readonly txid: Txid
  readonly vout: number
  readonly value: Sats
  readonly script: Uint8Array
}

/** Where a rail's money stands in the ledger. */
export type RailBooks = {
  /** What pays miners. */
  readonly float: LedgerAccount
  /** The store that fills it up; null where there is none. */
  readonly cold: LedgerAccount | null
  /** What has left and is not settled. */
  readonly out: LedgerAccount
  /** What has settled and is on its way to another rail, by the purpose of such batches. */
  readonly transit: Readonly<Partial<Record<Purpose, LedgerAccount>>>
  readonly fee: LedgerAccount
}

/** What a rail can spend now, or why it spends nothing. */
export type Funds =
  | {
      readonly kind: 'coins'
      /** Ours by our own books, deep enough, and held by no batch when they were asked for. */
      readonly coins: readonly Coin[]
      /** A new place for what is left over; asked for only when a batch needs one. */
      readonly newChange: () => Promise<string>
      /** What a batch would cost now; never above the largest fees. */
      readonly expected: Expected
    }
  /** One balance, out of which each payee is paid for itself. */
  | { readonly kind: 'balance'; readonly free: Sats; readonly expected: Expected }
  | { readonly kind: 'waits'; readonly reason: string }

/** What a batch costs at one fee rate, each part rounded up, so that their sum bounds the whole. */
export type Fees = {
  /** With nobody paid yet, its change included. */
  readonly base: Sats
  readonly ofCoin: (coin: Coin) => Sats
  readonly ofPayee: (destination: string) => Sats
  /** What more it costs to pay so much; of two amounts together no more than of both. */
  readonly ofAmount: (amount: Sats) => Sats
}

/** What a batch may cost at most. */
export type FeesMax = Fees & {
  /** What the largest batch that the rail carries costs: no batch grows beyond it. */
  readonly whole: Sats
}

/** The fees of now, and their rate in the unit that payees state their wish in. */
export type Expected = { readonly fees: Fees; readonly feeRateSatPerKvb: Sats }

/** The right to work on a batch until its lease ends; a commit counts only with the same fence. */
export type Lease = { readonly batch: BatchId; readonly fence: bigint }

/**
 * Pays miners. Every step is harmless when repeated; what leaves is stored before it leaves.
 * The batch itself (manifest, state, payouts) is the core's; the artefact is the rail's.
 * Contract: test/contracts/rail.ts.
 */
export type Rail = {
  readonly name: string
  readonly books: RailBooks
  readonly parseDestination: (payee: string) => Destination
  readonly fees: FeesMax
  readonly funds: () => Promise<Funds>
  /** Builds, signs and stores the artefact of an approved batch. */
  readonly prepare: (lease: Lease) => Promise<PrepareOutcome>
  /** Sends the stored artefact; a repeat sends the same bytes. */
  readonly send: (batch: BatchId) => Promise<SendOutcome>
  readonly check: (batch: BatchId) => Promise<CheckOutcome>
  /**
   * Takes in what has left without this process: an artefact that was begun here and that its
   * signers have sent by themselves, or payments that came to their end. What is on its way must be
   * booked, whoever approves the batch now.
   */
  readonly adopt: (lease: Lease) => Promise<AdoptOutcome>
  /**
   * Makes a further version where the sent one is too slow: it spends the same anchor, pays the
   * same, and costs at most what was approved.
   */
  readonly bump: (lease: Lease) => Promise<BumpOutcome>
}
