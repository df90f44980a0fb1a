import { unreachable } from '../../../lib/assert.ts'
import type { Txid } from '../../../lib/ids.ts'
import type { Millisats } from '../../../lib/money.ts'
import { outpointText } from '../../outpoint.ts'
import type { Verdict } from '../../reconcile.ts'
import type { NotedThunderCoin, OpenThunderBatch } from './coin-store.ts'
import { outpointOf } from './transaction.ts'

/** A finding names this many coins at most; the first ones tell where to look. */
const NAMED_MAX = 3
const FINDING_CHARACTERS_MAX = 500

/** What became of a noted coin that Thunder does not show as unspent. */
export type MissingCoin = {
  readonly coin: NotedThunderCoin
  readonly fate:
    | { readonly kind: 'spent'; readonly by: Txid }
    | { readonly kind: 'withdrawn' }
    /** What made it is undone, and may come back. */
    | { readonly kind: 'not there' }
}

/** Everything that our coins on Thunder are judged by: books as of one moment, and the node's word. */
export type ThunderFacts = {
  readonly ledger: Millisats
  /** Noted and spent by no settled batch. */
  readonly open: readonly NotedThunderCoin[]
  readonly batches: readonly Pick<OpenThunderBatch, 'total' | 'fee'>[]
  readonly missing: readonly MissingCoin[]
  /** Versions of ours among those that spent a missing coin. */
  readonly versions: ReadonlySet<Txid>
}

/** In satoshis: what has left the float's account though its coins are still open. */
export function thunderOnTheWay({ batches }: Pick<ThunderFacts, 'batches'>): bigint {
  return batches.reduce((sum, { total, fee }) => sum - total - fee, 0n)
}

/**
 * Compares our coins with the books, where at every moment
 *
 *   ledger = open coins + on the way
 *
 * A coin that was undone makes the comparison wait: its block may come back, and until then nothing
 * can spend it. The words of a finding depend on what is wrong alone, so that it is known again.
 */
export function judgeThunder(facts: ThunderFacts): Verdict {
  const findings = facts.missing.flatMap(each => findingOf(facts, each) ?? [])
  if (findings.length > 0) return finding(findings)
  const undone = facts.missing.find(({ fate }) => fate.kind === 'not there')
  if (undone) return { kind: 'waits', reason: `${nameOf(undone.coin)} is undone on Thunder` }
  const coins = facts.open.reduce((sum, { value }) => sum + value, 0n)
  const difference = facts.ledger - 1000n * (coins + thunderOnTheWay(facts))
  if (difference === 0n) return { kind: 'agrees' }
  const words = difference > 0n ? 'more than' : 'less than'
  const size = difference > 0n ? difference : -difference
  return finding([`the ledger holds ${size} msat ${words} the coins`])
}

function finding(findings: readonly string[]): Verdict {
  const more = findings.length - NAMED_MAX
  const text = `thunder: ${findings.slice(0, NAMED_MAX).join('; ')}`
  const whole = more > 0 ? `${text}; and ${more} more` : text
  return { kind: 'finding', finding: whole.slice(0, FINDING_CHARACTERS_MAX) }
}

function findingOf(
  { versions }: Pick<ThunderFacts, 'versions'>,
  { coin, fate }: MissingCoin,
): string | null {
  const what = `${nameOf(coin)}, booked by ${coin.journalKey},`
  switch (fate.kind) {
    case 'not there':
      return null
    case 'spent':
      return versions.has(fate.by)
        ? null
        : `${what} is spent by ${fate.by}, which is no version of a batch`
    case 'withdrawn':
      return `${what} left for the main chain`
    default:
      return unreachable(fate)
  }
}

function nameOf(coin: NotedThunderCoin): string {
  return outpointText(outpointOf(coin))
}
