import type { Kysely } from 'kysely'
import type { Database, Wallet } from '../lib/db/schema.ts'
import { type BlockHash, blockHash, type UnixMs } from '../lib/ids.ts'
import type { Millisats } from '../lib/money.ts'
import { freezeByPool } from '../treasury/index.ts'
import type { Coin } from './rail.ts'
import { sumOf } from './reconcile.ts'

/** Foreign coins that are shown; beyond, their sum still counts them. */
const FOREIGN_SHOWN_MAX = 200

/** A wallet of a rail. */
export type CheckedWallet = { readonly rail: string; readonly wallet: Wallet }

/** What the comparison before this one has seen. */
export type LastCheck = {
  readonly isFirst: boolean
  /** Up to this block the wallet's transactions are explained; null where a rail has no such block. */
  readonly block: BlockHash | null
  readonly finding: string | null
}

export async function lastCheck(
  db: Kysely<Database>,
  { rail, wallet }: CheckedWallet,
): Promise<LastCheck> {
  const row = await db
    .selectFrom('float_checks')
    .select(['since_block', 'finding'])
    .where('rail', '=', rail)
    .where('wallet', '=', wallet)
    .executeTakeFirst()
  const block = row?.since_block ?? null
  return {
    isFirst: row === undefined,
    block: block === null ? null : blockHash(block),
    finding: row?.finding ?? null,
  }
}

/** What a comparison has seen; figures as in `float_checks`. */
export type FloatCheck = {
  readonly block: BlockHash | null
  readonly ledger: Millisats
  /** Coins of ours that are unspent, and those of them that no batch holds. */
  readonly chain: readonly Coin[]
  readonly free: readonly Coin[]
  /** In satoshis. */
  readonly onTheWay: bigint
  readonly foreign: readonly Coin[]
  readonly finding: string | null
  /** Whether the finding was there the last time already. */
  readonly isKnown: boolean
}

/** Writes what was seen; a new finding freezes the rail in the same commit, with its event. */
export async function writeCheck(
  db: Kysely<Database>,
  { rail, wallet }: CheckedWallet,
  check: FloatCheck,
  { network, at }: { readonly network: string; readonly at: UnixMs },
): Promise<void> {
  const row = {
    at_ms: BigInt(at),
    since_block: check.block,
    ledger_msat: check.ledger,
    chain_sats: sumOf(check.chain),
    reserved_sats: sumOf(check.chain) - sumOf(check.free),
    on_way_sats: check.onTheWay,
    foreign_sats: sumOf(check.foreign),
    foreign_coins: foreignJson(check.foreign),
    finding: check.finding,
  }
  await db.transaction().execute(async tx => {
    await tx
      .insertInto('float_checks')
      .values({ rail, wallet, ...row })
      .onConflict(conflict => conflict.columns(['rail', 'wallet']).doUpdateSet(row))
      .execute()
    // Said once: what operators have lifted is not frozen again for the same reason.
    if (check.finding !== null && !check.isKnown)
      await freezeByPool(tx, { network, scope: rail, reason: check.finding, at })
  })
}

function foreignJson(coins: readonly Coin[]): string {
  return JSON.stringify(
    coins
      .slice(0, FOREIGN_SHOWN_MAX)
      .map(({ txid, vout, value }) => ({ txid, vout, valueSats: String(value) })),
  )
}
