import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { AccountId, BatchId, Digest } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Millisats, Sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import type { Destinations, Waiting } from '../payouts/index.ts'
import type { SpendRules } from '../treasury/index.ts'

/** A port's promise, as the configuration has it. */
export type SchemeInfo = {
  readonly name: string
  readonly ports: readonly number[]
  /** Those that speak TLS. */
  readonly tlsPorts: readonly number[]
  readonly rewardPool: string
  readonly method: string
  /** Whom the coinbases of its blocks pay. */
  readonly coinbase: 'pool' | 'finder'
  readonly interval:
    | { readonly kind: 'blocks'; readonly blocks: number }
    | { readonly kind: 'minutes'; readonly minutes: number }
  readonly rails: readonly string[]
  readonly minimum: Sats
  readonly feeBasisPoints: number
  readonly feePaidBy: 'pool' | 'payees'
  readonly difficultyLog2: {
    readonly start: number
    readonly minimum: number
    readonly maximum: number
  }
}

/** What we owe an account: not mature, payable now, reserved by a payout. Not negative. */
export type Owed = {
  readonly account: AccountId
  readonly pending: Millisats
  readonly payable: Millisats
  readonly inflight: Millisats
}

/** When an account is due at the earliest, if its balance then reaches the scheme's minimum. */
export type NextPayment =
  | { readonly kind: 'height'; readonly height: number }
  | { readonly kind: 'time'; readonly atMs: number }

/** An operator's signed act on a batch, well formed but not judged. */
export type GivenAct = {
  readonly batch: BatchId
  readonly act: { readonly kind: 'approve' } | { readonly kind: 'reject'; readonly reason: string }
  /** 64 hex digits. */
  readonly operatorKey: string
  readonly manifestHash: Digest
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** What the treasury makes of an act; where it is refused, nothing was written. */
export type Decision =
  | { readonly kind: 'accepted'; readonly batch: 'waits' | 'approved' | 'rejected' }
  | { readonly kind: 'unknown batch' }
  | {
      readonly kind: 'refused'
      readonly reason:
        | 'other manifest'
        | 'unknown operator'
        | 'not an approver'
        | 'own batch'
        | 'bad signature'
        | 'repeated'
        | 'expired'
        | 'already decided'
        | 'bad reason'
    }

/** A batch that pays nobody but ourselves, as an operator asks for it. */
export type OwnWish =
  | { readonly kind: 'consolidation'; readonly wallet: 'hot' | 'cold' }
  | { readonly kind: 'transfer'; readonly from: 'hot' | 'cold'; readonly amount: Sats }
  /** Brings an amount to Thunder. */
  | { readonly kind: 'deposit'; readonly from: 'hot' | 'cold'; readonly amount: Sats }
  /** Brings an amount to the wallet of our lnd, for a channel. */
  | { readonly kind: 'channel'; readonly from: 'hot' | 'cold'; readonly amount: Sats }
  /** Brings an amount back from Thunder, months later. */
  | { readonly kind: 'withdrawal'; readonly amount: Sats }
  /** Pays for a batch that is stuck and cannot be replaced. */
  | { readonly kind: 'cpfp'; readonly parent: BatchId }

/** A batch that waits for approvals now, or why none was planned. */
export type OwnPlanned =
  | { readonly kind: 'planned'; readonly batch: BatchId }
  | { readonly kind: 'nothing'; readonly reason: string }

/** What the ledger's audit found. */
export type Audit = {
  readonly ok: boolean
  readonly entries: bigint
  /** The place of the chain behind which it was checked; what is before was checked earlier. */
  readonly checkedAfter: bigint
  readonly head: Digest | null
  /** Empty where all is well. */
  readonly complaints: readonly string[]
}

/** How a part of the pool is. The detail is shown to everyone, so it holds no secret. */
export type HealthPart = { readonly ok: boolean; readonly detail: string }

/** All that the API is handed. It reads by the rooms' reports and decides nothing itself. */
export type ApiParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly pool: {
    readonly name: string
    readonly network: 'mainnet' | 'testnet4' | 'signet' | 'regtest'
    /** Where miners connect. */
    readonly stratumHost: string
  }
  readonly schemes: readonly SchemeInfo[]
  /** Sums of the ledger. An account that it does not name is owed nothing. */
  readonly owedTo: (accounts: readonly AccountId[]) => Promise<readonly Owed[]>
  /** An account that it does not name has no credit yet. */
  readonly nextPayments: (
    accounts: readonly AccountId[],
  ) => Promise<ReadonlyMap<AccountId, NextPayment>>
  /** Why each has not been paid yet. An account that it does not name has no credit yet. */
  readonly whyWaiting: (accounts: readonly AccountId[]) => Promise<ReadonlyMap<AccountId, Waiting>>
  /** How each rail reads where a payee wants to be paid. */
  readonly destinations: Destinations
  /** How long after a change of destination nothing is paid. */
  readonly coolOffMs: number
  /** By which money leaves; the people are read when they are needed. */
  readonly rules: SpendRules
  readonly decide: (act: GivenAct) => Promise<Decision>
  readonly audit: () => Promise<Audit>
  /** Plans what an operator asks for, who then cannot approve it. */
  readonly planOwn: (wish: OwnWish, alias: string) => Promise<OwnPlanned>
  /** By the name that /health shows. One that throws or takes too long is not well. */
  readonly health: Readonly<Record<string, () => Promise<HealthPart>>>
  /** How long coinbases are, and when that is an alarm. */
  readonly coinbase: {
    readonly alarmBytes: number
    /** Null before the first share. */
    readonly newestBytes: () => Promise<number | null>
  }
  /** Proxies of our own, by address or network, whose word on who asks is believed. */
  readonly trustedProxies: readonly string[]
  /** Of one address; more are refused until the minute is over. */
  readonly requestsPerMinuteMax: number
}
