import type { Transaction } from 'kysely'
import { chartAccount, type LedgerAccount, mergeLegs, postEntries } from '../ledger/index.ts'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { JournalKey, UnixMs } from '../lib/ids.ts'
import { millisats, msatsFromSats, type Sats } from '../lib/money.ts'
import { recordEvent } from '../treasury/index.ts'
import { type Outpoint, outpointText } from './outpoint.ts'

/** What became of writing a coin off; only `written off` wrote anything. */
export type LossOutcome =
  | {
      readonly kind: 'written off'
      readonly amount: Sats
      /** Where the coin was, for people. */
      readonly place: string
    }
  | { readonly kind: 'refused'; readonly reason: string }

/** A coin that is lost, and the words of whoever looked. */
export type Loss = {
  readonly key: JournalKey
  readonly coin: Outpoint & { readonly value: Sats }
  readonly account: LedgerAccount
  readonly place: string
  readonly reason: string
  readonly at: UnixMs
}

/**
 * Books a lost coin as an expense, with its line of the log, in the caller's transaction. The coin
 * stays noted: the caller notes beside it that it is lost, so that it counts no more.
 */
export async function postLoss(
  tx: Transaction<Database>,
  { key, coin, account, place, reason, at }: Loss,
): Promise<LossOutcome> {
  const amount = msatsFromSats(coin.value)
  const legs = mergeLegs([
    { account: chartAccount('loss'), amount },
    { account, amount: millisats(-amount) },
  ])
  const [outcome] = await postEntries(tx, [{ key, event: 'coin lost', legs, at }])
  assert(outcome?.kind === 'posted', 'an open coin is in the float, and is lost once')
  const detail = { place, amountSats: String(coin.value), reason }
  const subject = `coin:${outpointText(coin)}`
  await recordEvent(tx, { at, actor: 'host', action: 'write off', subject, detail })
  return { kind: 'written off', amount: coin.value, place }
}
