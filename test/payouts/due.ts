import { accountId, payeeId, txid, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import type { Means } from '../../src/payouts/plan.ts'
import { NOTHING_SPENT, type SpendRules } from '../../src/payouts/plan-limits.ts'
import type { Coin, FeesMax } from '../../src/payouts/rail.ts'
import type { Scheme } from '../../src/payouts/scheme.ts'
import type { PayoutSettings } from '../../src/payouts/settings.ts'
import type { Candidate, Circumstances, Due, RailRules } from '../../src/payouts/waiting.ts'

/** What tests of planning are made of, each part replaceable. */
export const MINUTES: Scheme = {
  name: 'hourly',
  rewardPool: 'pplns',
  interval: { kind: 'minutes', minutes: 60 },
  rails: ['l1'],
  minimum: sats(1000n),
  feeBasisPoints: 0,
  feePaidBy: 'pool',
}
export const BLOCKS: Scheme = { ...MINUTES, interval: { kind: 'blocks', blocks: 10 } }

export const NOW = { height: 100, at: unixMs(10_000_000) }
/** When an interval that is just over began. */
export const DUE_SINCE = { height: 90, at: unixMs(10_000_000 - 3_600_000) }

export const candidate = (id: number, more: Partial<Candidate> = {}): Candidate => ({
  account: accountId(BigInt(id)),
  payee: payeeId(BigInt(id)),
  ownDestination: `payee ${id}`,
  scheme: MINUTES,
  payable: millisats(1_000_000n),
  since: DUE_SINCE,
  isAsked: false,
  invoice: null,
  settings: null,
  failed: null,
  live: null,
  ...more,
})

export const SETTINGS: PayoutSettings = {
  number: 1,
  rails: [{ rail: 'l1', destination: null, minimum: sats(0n) }],
  paused: false,
  feeRateMax: null,
  paysFrom: unixMs(0),
  destinationsBy: null,
}

/** Pays whatever does not say that it cannot be paid. */
export const railRules = (name: string, dust = 294n): RailRules => ({
  name,
  parseDestination: payee =>
    payee.startsWith('not ')
      ? { kind: 'unpayable', reason: 'it says so' }
      : { kind: 'payable', canonical: payee, dust: sats(dust) },
})

export const circumstances = (more: Partial<Circumstances> = {}): Circumstances => ({
  now: NOW,
  rails: [railRules('l1')],
  frozen: new Map(),
  feeRates: new Map(),
  ...more,
})

export const due = (id: number, gross: bigint, more: Partial<Due> = {}): Due => ({
  account: accountId(BigInt(id)),
  payee: payeeId(BigInt(id)),
  destination: `payee ${id}`,
  gross: sats(gross),
  least: sats(1n),
  most: null,
  exact: null,
  paysFee: false,
  setBy: null,
  ...more,
})

export const coin = (value: bigint, vout = 0): Coin => ({
  txid: txid('ab'.repeat(32)),
  vout,
  value: sats(value),
  script: new Uint8Array(),
})

export const FEES: FeesMax = {
  base: sats(50n),
  ofCoin: () => sats(70n),
  ofPayee: () => sats(30n),
  ofAmount: () => sats(0n),
  whole: sats(1_000_000_000n),
}

/** More than the coins of any case: the ledger bounds nothing. */
export const PLENTY = sats(1_000_000_000_000n)

export const NO_RULES: SpendRules = {
  version: 1,
  limits: { perBatch: null, perDay: null, perDestinationPerDay: null },
  allowList: null,
}

export const means = (coins: readonly Coin[], more: Partial<Means> = {}): Means => ({
  source: { kind: 'coins', coins },
  fees: FEES,
  expected: FEES,
  booked: PLENTY,
  rules: NO_RULES,
  spent: NOTHING_SPENT,
  ...more,
})
