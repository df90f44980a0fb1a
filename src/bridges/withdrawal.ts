import {
  chartAccount,
  type Entry,
  type LedgerAccount,
  type Leg,
  mergeLegs,
} from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { type BatchId, journalKey, type Txid, type UnixMs } from '../lib/ids.ts'
import { millisats, msatsFromSats, type Sats, sats } from '../lib/money.ts'
import type { ThunderAddress } from '../lib/thunder/address.ts'

/** A withdrawal whose transaction Thunder has for good. */
export type Departure = {
  readonly batch: BatchId
  /** Its output on Thunder, which bundles spend. */
  readonly output: { readonly txid: Txid; readonly vout: number }
  /** Whose that is on Thunder: an address of ours. */
  readonly owner: ThunderAddress
  /** What is to arrive on the main chain. */
  readonly amount: Sats
  /** What the main chain's miners get for it then. */
  readonly mainFee: Sats
  /** Where it is to arrive: an address of our hot wallet that nothing else is paid to. */
  readonly mainAddress: string
}

/** The coin that a bundle's transaction (M6) made us. */
export type BundleCoin = { readonly txid: Txid; readonly vout: number; readonly value: Sats }

/** Votes for a bundle, and above how many it may be paid. */
export type Votes = { readonly count: number; readonly above: number }

/**
 * `queued` waits on Thunder for a bundle; `bundled` is in the one that Thunder would propose;
 * `voting` is in one that main blocks vote on; `paid` is in a main block; `arrived` is booked;
 * `final` is too deep for a reorganisation, and not looked at any more.
 */
export type WithdrawalState = 'queued' | 'bundled' | 'voting' | 'paid' | 'arrived' | 'final'

/** How far a withdrawal is. */
export type Withdrawal = Omit<Departure, 'output' | 'owner'> & {
  readonly state: WithdrawalState
  /** The bundle that main blocks voted on last; null before the first. */
  readonly m6id: string | null
  /** How many different ones there were: all but the last came to nothing. */
  readonly bundles: number
  /** Of the bundle that is voted on; null where none is, or nobody tells. */
  readonly votes: Votes | null
  /** Null until a main block has paid it. */
  readonly coin: BundleCoin | null
  /** How often it was booked as arrived: more than once only where reorganisations undid it. */
  readonly turn: number
}

/** Where Thunder has the output of a withdrawal. Only what it shows counts; it moves no money. */
export type SideSight =
  | { readonly kind: 'queued' | 'bundled' }
  | { readonly kind: 'voting'; readonly m6id: string; readonly votes: Votes | null }
  /** Its node is behind, on another chain, or shows nothing of it. */
  | { readonly kind: 'unknown' }

/** What our own node of the main chain has of it. */
export type MainSight =
  /** A bundle's transaction has paid its address, with so many confirmations. */
  | { readonly kind: 'paid'; readonly coin: BundleCoin; readonly confirmations: number }
  | { readonly kind: 'not paid' }
  /** The wallet does not know what became of the coin. */
  | { readonly kind: 'unknown' }

export type Sights = { readonly side: SideSight; readonly main: MainSight }

/** What a look changes; null changes nothing. */
export type WithdrawalChange = {
  readonly withdrawal: Withdrawal
  readonly entry: Entry | null
  /** Whether its coin is to be noted as ours to spend. */
  readonly coin: 'note' | 'keep'
}

/** Blocks behind finality after which no reorganisation is expected to reach a coin. */
const WATCHED_BLOCKS = 100

/** A withdrawal as it is first followed. */
export function withdrawalOf({ output: _, owner: __, ...departure }: Departure): Withdrawal {
  const start = {
    state: 'queued',
    m6id: null,
    bundles: 0,
    votes: null,
    coin: null,
    turn: 0,
  } as const
  return { ...departure, ...start }
}

/**
 * What a look makes of a withdrawal, with its entry:
 *
 * ```
 *                   main: not paid               paid, not final   paid, final
 * queued … voting   where Thunder has it         paid              arrived  transit → float
 * paid              where Thunder has it         its coin of now   arrived  transit → float
 * arrived           undone  float → transit      stays             stays, at last final
 * ```
 *
 * Where a bundle fails, its outputs are Thunder's again, still as withdrawals: no transaction can
 * spend them, and the next bundle takes them. So the money stays in transit until the main chain
 * has paid it, however many bundles that takes, and what Thunder or an enforcer says is only shown.
 *
 * @param finality confirmations from which on a coin of the main chain counts as ours
 * Source: thunder-rust, lib/state/two_way_peg_data.rs and lib/state/mod.rs (SpendWithdrawalOutput).
 */
export function lookAt(
  withdrawal: Withdrawal,
  { side, main }: Sights,
  { finality, at }: { readonly finality: number; readonly at: UnixMs },
): WithdrawalChange | null {
  assert(withdrawal.state !== 'final', 'what is final is not looked at')
  if (main.kind === 'unknown') return null
  const isBooked = withdrawal.state === 'arrived'
  if (main.kind === 'not paid') {
    const back = { ...backOn(withdrawal, side), coin: null }
    return isBooked ? undone(withdrawal, back, at) : shown(withdrawal, back)
  }
  const { coin, confirmations } = main
  assert(coin.value >= withdrawal.amount, 'a bundle pays what it took or more')
  if (!isBooked) {
    const paid = { ...withdrawal, state: 'paid', votes: null, coin } as const
    return confirmations < finality ? shown(withdrawal, paid) : arrived(paid, at)
  }
  // A reorganisation let another bundle, or another treasury coin, pay it: what was booked is not.
  if (!isSameCoin(withdrawal.coin, coin))
    return undone(withdrawal, { ...withdrawal, state: 'paid', coin }, at)
  if (confirmations < finality + WATCHED_BLOCKS) return null
  return shown(withdrawal, { ...withdrawal, state: 'final' })
}

/** Where Thunder has it; while it does not tell, what was known last. */
function backOn(withdrawal: Withdrawal, side: SideSight): Withdrawal {
  const { state, m6id, bundles } = withdrawal
  switch (side.kind) {
    case 'queued':
    case 'bundled':
      return { ...withdrawal, state: side.kind, votes: null }
    case 'voting': {
      const isAnother = side.m6id !== m6id
      return {
        ...withdrawal,
        ...{ state: 'voting', m6id: side.m6id, votes: side.votes },
        bundles: isAnother ? bundles + 1 : bundles,
      }
    }
    case 'unknown': {
      const isUnpaid = state === 'queued' || state === 'bundled' || state === 'voting'
      return isUnpaid ? withdrawal : { ...withdrawal, state: m6id === null ? 'queued' : 'voting' }
    }
    default:
      return unreachable(side)
  }
}

function shown(before: Withdrawal, after: Withdrawal): WithdrawalChange | null {
  const isSame =
    before.state === after.state &&
    before.m6id === after.m6id &&
    before.votes?.count === after.votes?.count &&
    before.votes?.above === after.votes?.above &&
    isSameCoin(before.coin, after.coin)
  return isSame ? null : { withdrawal: after, entry: null, coin: 'keep' }
}

function arrived(withdrawal: Withdrawal, at: UnixMs): WithdrawalChange {
  const turn = withdrawal.turn + 1
  const entry = entryOf('arrived', { ...withdrawal, turn }, legsOf(withdrawal), at)
  return { withdrawal: { ...withdrawal, state: 'arrived', turn }, entry, coin: 'note' }
}

function undone(before: Withdrawal, after: Withdrawal, at: UnixMs): WithdrawalChange {
  const legs = legsOf(before).map(({ account, amount }) => ({
    account,
    amount: millisats(-amount),
  }))
  return { withdrawal: after, entry: entryOf('undone', before, legs, at), coin: 'keep' }
}

/**
 * What is ours changes its place, and the miners of the main chain have got their fee. A bundle
 * makes one output of all that goes to an address: what somebody else sent to ours is the owner's.
 */
function legsOf({ amount, mainFee, coin }: Withdrawal): readonly Leg[] {
  assert(coin !== null, 'what is booked has its coin')
  const leg = (account: LedgerAccount, amount: bigint) => ({ account, amount: millisats(amount) })
  const given = msatsFromSats(sats(coin.value - amount))
  return mergeLegs([
    leg(chartAccount('l1Float'), msatsFromSats(coin.value)),
    leg(chartAccount('feeL1'), msatsFromSats(mainFee)),
    leg(chartAccount('treasuryCapital'), -given),
    leg(chartAccount('thunderWithdrawal'), -msatsFromSats(sats(amount + mainFee))),
  ])
}

function entryOf(
  what: 'arrived' | 'undone',
  { batch, turn }: Withdrawal,
  legs: readonly Leg[],
  at: UnixMs,
): Entry {
  const key = journalKey(`withdrawal:${batch}:${what}:${turn}`)
  return { key, event: `withdrawal ${what}`, legs, at }
}

function isSameCoin(a: BundleCoin | null, b: BundleCoin | null): boolean {
  return a?.txid === b?.txid && a?.vout === b?.vout
}

/** What happens next, in words for people. */
export function nextStep({ state, bundles, votes }: Withdrawal): string {
  switch (state) {
    case 'queued':
      if (bundles === 0) return 'waits for a bundle of Thunder, some side blocks long'
      return `bundle ${bundles} came to nothing, or was undone; the next one takes it by itself`
    case 'bundled':
      return 'a main block must propose its bundle (M3)'
    case 'voting': {
      const many = votes ? `${votes.count} blocks have, more than ${votes.above} must` : 'no count'
      return `main blocks vote for its bundle (M4): ${many}; then one pays it (M6)`
    }
    case 'paid':
      return 'a main block has paid it; it is booked when no reorganisation is expected'
    case 'arrived':
    case 'final':
      return 'nothing: it is in the hot wallet'
    default:
      return unreachable(state)
  }
}
