import { unreachable } from '../lib/assert.ts'
import type { Wallet } from '../lib/db/schema.ts'
import type { Txid } from '../lib/ids.ts'
import type { Millisats, Sats } from '../lib/money.ts'
import { outpointText } from './outpoint.ts'
import type { Coin } from './rail.ts'
import { type NotedCoin, otherWallet } from './rails/l1/coins.ts'

/** A finding names this many coins at most; the first ones tell where to look. */
const NAMED_MAX = 3
/** A longer finding is cut: it stands in a row, a freeze and an event. */
const FINDING_CHARACTERS_MAX = 500

/**
 * A wallet shows a coinbase under 100 further blocks; one that it does not show so much later was
 * paid to somebody else, or is spent.
 */
const BLOCK_DEPTH_MAX = 110

/** What became of a coin that the wallet does not list as unspent. */
export type CoinFate =
  | { readonly kind: 'unspent' }
  /** Its own transaction is in no block now: a reorganisation is under way, or a node restarts. */
  | { readonly kind: 'unconfirmed' }
  | { readonly kind: 'spent'; readonly by: Txid }
  /** Neither there nor spent by anything that the wallet knows. */
  | { readonly kind: 'gone' }

/** A transaction that spends from a wallet of ours and is no version of a batch. */
export type Stranger = {
  readonly txid: Txid
  readonly spends: readonly { readonly txid: string; readonly vout: number }[]
}

/** A batch whose money has left its wallet's account, or whose coins are not folded yet. */
export type BatchOnItsWay = {
  readonly wallet: Wallet
  readonly isTransfer: boolean
  readonly isSettled: boolean
  readonly total: Sats
  readonly fee: Sats
}

/** A block that is mature in the ledger; a wallet shows its coin about a block later. */
export type BlockOnItsWay = {
  readonly journalKey: string
  readonly wallet: Wallet
  readonly value: Sats
  /** Blocks on top of it. */
  readonly depth: number
}

/** Everything that a wallet is judged by: books as of one moment, and what the node said. */
export type WalletFacts = {
  readonly wallet: Wallet
  readonly ledger: Millisats
  /** Noted as this wallet's and spent by no settled batch. */
  readonly open: readonly NotedCoin[]
  readonly batches: readonly BatchOnItsWay[]
  /** Mature in the ledger, their coins not noted yet; of both wallets. */
  readonly blocks: readonly BlockOnItsWay[]
  readonly fates: readonly { readonly coin: NotedCoin; readonly fate: CoinFate }[]
  /** Versions of ours among those that the fates name. */
  readonly versions: ReadonlySet<Txid>
  readonly strangers: readonly Stranger[]
  /** Complaints of the ledger about what is in flight; empty where all is well. */
  readonly inflight: readonly string[]
}

export type Verdict =
  | { readonly kind: 'agrees' }
  | { readonly kind: 'finding'; readonly finding: string }
  /** Nothing can be said before the chain has settled. */
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * What is on its way makes of the open coins, in satoshis: what has left the wallet's account though
 * its coins are still open, and what a settled transfer or a mature block has brought though its
 * coin is not noted yet. So that for each wallet, at every moment:
 *
 *   ledger = open coins + on the way
 */
export function onTheWay(
  wallet: Wallet,
  { batches, blocks }: Pick<WalletFacts, 'batches' | 'blocks'>,
): bigint {
  const mined = blocks
    .filter(block => block.wallet === wallet)
    .reduce((sum, { value }) => sum + value, 0n)
  return batches.reduce((sum, batch) => {
    if (batch.wallet === wallet) return sum - batch.total - batch.fee
    const comesHere = batch.isTransfer && batch.isSettled && otherWallet(batch.wallet) === wallet
    return comesHere ? sum + batch.total : sum
  }, mined)
}

/**
 * Compares a wallet with the books. The words of a finding depend on what is wrong alone, so that
 * the same finding is known again.
 */
export function judgeWallet(facts: WalletFacts): Verdict {
  const waiting = facts.fates.filter(({ fate }) => fate.kind === 'unconfirmed')
  const findings = [
    ...strangerFindings(facts),
    ...facts.fates.flatMap(each => fateFinding(facts, each) ?? []),
    ...facts.blocks.flatMap(block => blockFinding(facts, block) ?? []),
    ...facts.inflight,
  ]
  if (findings.length > 0) return finding(facts.wallet, findings)
  const [first] = waiting
  if (first) return { kind: 'waits', reason: `${outpointText(first.coin)} is unconfirmed again` }
  const coins = facts.open.reduce((sum, { value }) => sum + value, 0n)
  const difference = facts.ledger - 1000n * (coins + onTheWay(facts.wallet, facts))
  if (difference === 0n) return { kind: 'agrees' }
  const words = difference > 0n ? 'more than' : 'less than'
  const size = difference > 0n ? difference : -difference
  return finding(facts.wallet, [`the ledger holds ${size} msat ${words} the coins`])
}

function finding(wallet: Wallet, findings: readonly string[]): Verdict {
  const more = findings.length - NAMED_MAX
  const text = `${wallet} wallet: ${findings.slice(0, NAMED_MAX).join('; ')}`
  const whole = more > 0 ? `${text}; and ${more} more` : text
  return { kind: 'finding', finding: whole.slice(0, FINDING_CHARACTERS_MAX) }
}

function strangerFindings({ strangers, open, fates }: WalletFacts): string[] {
  const coins = new Map(open.map(coin => [outpointText(coin), coin]))
  const named = new Set(fates.flatMap(({ fate }) => (fate.kind === 'spent' ? [fate.by] : [])))
  return strangers
    .filter(({ txid }) => !named.has(txid))
    .map(({ txid, spends }) => {
      const coin = spends.flatMap(spent => coins.get(`${spent.txid}:${spent.vout}`) ?? [])[0]
      return coin ? spentBy(coin, txid) : `${txid} spends from it and is no version of a batch`
    })
}

function fateFinding(
  { versions }: WalletFacts,
  { coin, fate }: WalletFacts['fates'][number],
): string | null {
  switch (fate.kind) {
    case 'unspent':
    case 'unconfirmed':
      return null
    case 'spent':
      return versions.has(fate.by) ? null : spentBy(coin, fate.by)
    case 'gone':
      return `${outpointText(coin)}, booked by ${coin.journalKey}, is gone`
    default:
      return unreachable(fate)
  }
}

function blockFinding({ wallet }: WalletFacts, block: BlockOnItsWay): string | null {
  if (block.wallet !== wallet || block.depth < BLOCK_DEPTH_MAX) return null
  return `${block.journalKey} is mature and the wallet has no coin of it`
}

function spentBy(coin: NotedCoin, by: Txid): string {
  const what = `${outpointText(coin)}, booked by ${coin.journalKey},`
  return `${what} is spent by ${by}, which is no version of a batch`
}

/** The sum of coins, in whole satoshis. */
export function sumOf(coins: readonly Coin[]): bigint {
  return coins.reduce((sum, { value }) => sum + value, 0n)
}
