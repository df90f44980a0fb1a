import { assert, unreachable } from '../lib/assert.ts'
import type { Digest, JournalKey } from '../lib/ids.ts'
import { type Millisats, millisats } from '../lib/money.ts'
import { kindOf, type LedgerAccount, type LedgerKind } from './account.ts'
import { type Entry, entryComplaint, type PostOutcome, requestHash } from './journal.ts'

/**
 * The books as plain data: what each account holds (debit positive) and which entries made it so.
 * The store keeps the same in PostgreSQL and is tested against this.
 */
export type Books = {
  readonly balances: ReadonlyMap<LedgerAccount, Millisats>
  readonly entries: ReadonlyMap<JournalKey, Digest>
}

/** Books in which nothing has happened. */
export const EMPTY_BOOKS: Books = { balances: new Map(), entries: new Map() }

/**
 * Whether an account of that kind may hold the amount: assets and expenses are never negative,
 * liabilities never positive (we cannot owe less than nothing); income and equity are free.
 * The constraint `never_overdrawn` states it again.
 */
export function mayHold(kind: LedgerKind, amount: bigint): boolean {
  switch (kind) {
    case 'asset':
    case 'expense':
      return amount >= 0n
    case 'liability':
      return amount <= 0n
    case 'income':
    case 'equity':
      return true
    default:
      return unreachable(kind)
  }
}

/**
 * Posts legal entries one after the other; each sees what the ones before it did.
 *
 * @returns an outcome for each entry, in their order, and the books after them
 */
export function postAll(
  books: Books,
  entries: readonly Entry[],
): { readonly outcomes: readonly PostOutcome[]; readonly books: Books } {
  const balances = new Map(books.balances)
  const posted = new Map(books.entries)
  const outcomes = entries.map(entry => postOne(balances, posted, entry))
  assert(outcomes.length === entries.length, 'every entry has its outcome')
  return { outcomes, books: { balances, entries: posted } }
}

function postOne(
  balances: Map<LedgerAccount, Millisats>,
  posted: Map<JournalKey, Digest>,
  entry: Entry,
): PostOutcome {
  const complaint = entryComplaint(entry)
  assert(complaint === null, complaint ?? '')
  const hash = requestHash(entry)
  const held = posted.get(entry.key)
  if (held !== undefined) return held === hash ? { kind: 'repeated' } : { kind: 'conflict' }
  const after = ({ account, amount }: Entry['legs'][number]) =>
    (balances.get(account) ?? 0n) + amount
  const over = entry.legs.find(leg => !mayHold(kindOf(leg.account), after(leg)))
  if (over) return { kind: 'overdrawn', account: over.account }
  for (const leg of entry.legs) balances.set(leg.account, millisats(after(leg)))
  posted.set(entry.key, hash)
  return { kind: 'posted' }
}
