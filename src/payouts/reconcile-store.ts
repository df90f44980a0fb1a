import type { Kysely, Transaction } from 'kysely'
import { balancesOf } from '../ledger/index.ts'
import type { Database, Wallet } from '../lib/db/schema.ts'
import { type BlockHash, blockHash } from '../lib/ids.ts'
import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'
import { millisats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import { freezeByPool } from '../treasury/index.ts'
import { auditInflight } from './payout-audit-store.ts'
import type { Coin } from './rail.ts'
import {
  foldSettled,
  openBatches,
  openEffects,
  versionsAmong,
} from './rails/l1/coin-batches-store.ts'
import { coinbaseBlocks, fatesOf, strangersOf } from './rails/l1/coin-client.ts'
import {
  bookedBlocks,
  floatAccount,
  lostCoins,
  noteCoins,
  openCoins,
  ownCoins,
  unnotedBlocks,
} from './rails/l1/coin-store.ts'
import { classifyOutput, type NotedCoin, outpointText } from './rails/l1/coins.ts'
import { isNodeTrouble } from './rails/l1/node-trouble-client.ts'
import type { WalletClient } from './rails/l1/wallet-client.ts'
import { judgeWallet, onTheWay, sumOf, type Verdict, type WalletFacts } from './reconcile.ts'

const RECONCILE_EVERY_MS = 60_000
/** Foreign coins that are shown; beyond, their sum still counts them. */
const FOREIGN_SHOWN_MAX = 200

/** A wallet of ours and how its node is asked. */
export type FloatWallet = { readonly wallet: Wallet; readonly client: WalletClient }

export type ReconcileParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly network: string
  readonly rail: string
  readonly wallets: readonly FloatWallet[]
  /** Why the node's chain decides nothing now, or null. */
  readonly complaint: () => Promise<string | null>
  /** Confirmations from which on a coin counts as ours for good. */
  readonly finality: number
  readonly scriptOf: (address: string) => Uint8Array
}

/** What one run came to; nothing may leave before every wallet was compared once. */
export type Reconciled =
  | { readonly kind: 'compared'; readonly findings: readonly string[] }
  | { readonly kind: 'waits'; readonly reason: string }

/** The job, and whether anything may be planned or sent yet. */
export type Reconciler = {
  readonly job: Job
  readonly run: () => Promise<Reconciled>
  /** Why nothing may leave yet; null once a comparison has ended. What it found is a freeze. */
  readonly closed: () => string | null
}

/**
 * Compares every wallet with the books, at the start and then every minute: notes what is ours,
 * says what is not, and freezes the rail where the two differ. Nothing leaves before the first
 * comparison: a database that was restored from a backup knows nothing of what left since.
 */
export function reconciler(parts: ReconcileParts): Reconciler {
  let closed: string | null = 'the wallets were not compared with the books yet'
  const run = async (): Promise<Reconciled> => {
    const result = await reconcile(parts)
    if (result.kind === 'compared') closed = null
    else if (closed !== null) closed = `the wallets cannot be compared yet: ${result.reason}`
    return result
  }
  return {
    run,
    closed: () => closed,
    job: {
      name: 'reconcile-floats',
      everyMs: RECONCILE_EVERY_MS,
      run: async () => {
        const result = await run()
        if (result.kind === 'waits') parts.log.warn({ reason: result.reason }, 'no comparison')
        else for (const finding of result.findings) parts.log.error({ finding }, 'books differ')
      },
    },
  }
}

async function reconcile(parts: ReconcileParts): Promise<Reconciled> {
  try {
    const reason = await parts.complaint()
    if (reason !== null) return { kind: 'waits', reason }
    await foldSettled(parts.db, { addressOf: parts.scriptOf, at: parts.clock.now() })
    const findings: string[] = []
    for (const wallet of parts.wallets) {
      const verdict = await compareWallet(parts, wallet)
      if (verdict.kind === 'waits') return verdict
      if (verdict.kind === 'finding') findings.push(verdict.finding)
    }
    return { kind: 'compared', findings }
  } catch (error) {
    if (isNodeTrouble(error)) return { kind: 'waits', reason: `${error.name}: ${error.message}` }
    throw error
  }
}

async function compareWallet(parts: ReconcileParts, float: FloatWallet): Promise<Verdict> {
  const { db } = parts
  const { wallet, client } = float
  const since = await lastCheck(db, wallet)
  const awaited = new Set<string>((await unnotedBlocks(db)).map(block => block.journalKey))
  const listed = await client.unspent(1)
  const foreign = await noteListed(parts, float, listed)
  // What is open is read before the wallet is asked once more, and versions after it: so a coin
  // that is not listed was there, and whatever of ours has spent it is known by now.
  const known = (await openCoins(db)).filter(coin => coin.wallet === wallet)
  const unspent = new Set((await client.unspent(1)).map(outpointText))
  const { sends, next } = await client.sendsSince(since.block, parts.finality)
  const missing = known.filter(coin => !unspent.has(outpointText(coin)))
  const fates = await fatesOf(client, missing, await openEffects(db))
  const spenders = fates.flatMap(({ fate }) => (fate.kind === 'spent' ? [fate.by] : []))
  const versions = await versionsAmong(db, [...spenders, ...sends])
  // Before the first comparison the wallet may have had a life of its own.
  const unknown = since.isFirst ? [] : sends.filter(id => !versions.has(id))
  const lost = await lostCoins(db)
  // What spent a coin that was written off is explained by that; its other coins speak for themselves.
  const strangers = (await strangersOf(client, unknown)).filter(
    ({ spends }) => !spends.some(({ txid, vout }) => lost.has(`${txid}:${vout}`)),
  )
  const books = await readBooks(db, wallet)
  // Of a block that was booked only now, however long ago it was mined, no coin was looked for.
  const blocks = books.blocks.map(each =>
    awaited.has(each.journalKey) ? each : { ...each, depth: 0 },
  )
  const verdict = judgeWallet({ wallet, fates, versions, strangers, ...books, blocks })
  if (verdict.kind === 'waits') return verdict
  const finding = verdict.kind === 'finding' ? verdict.finding : null
  const isKnown = finding !== null && finding === since.finding
  await writeCheck(parts, {
    wallet,
    // What operators have seen and lifted is behind us; anything else is asked for again.
    block: finding === null || isKnown ? next : since.block,
    books,
    chain: known.filter(coin => unspent.has(outpointText(coin))),
    foreign,
    finding,
    isNew: finding !== null && !isKnown,
  })
  return verdict
}

/** Notes the coinbases that matured in our books, and gives what somebody pushed in. */
async function noteListed(
  { db, clock }: ReconcileParts,
  { wallet, client }: FloatWallet,
  listed: readonly Coin[],
): Promise<readonly Coin[]> {
  const { noted } = await ownCoins(db, wallet, listed)
  const known = new Set(noted.map(outpointText))
  const others = listed.filter(coin => !known.has(outpointText(coin)))
  const blocks = await coinbaseBlocks(client, others)
  const booked = await bookedBlocks(db, [...blocks.values()])
  const ours = new Set((await openEffects(db)).map(({ txid }) => txid))
  const foreign: Coin[] = []
  const toNote: NotedCoin[] = []
  for (const coin of others) {
    const block = booked.get(blocks.get(coin.txid) ?? '') ?? null
    const facts = { wallet, isNoted: false, isOnItsWay: ours.has(coin.txid), block }
    const what = classifyOutput(coin, facts)
    if (what.kind === 'to note') toNote.push(what.coin)
    if (what.kind === 'foreign') foreign.push(coin)
  }
  if (toNote.length > 0) await db.transaction().execute(tx => noteCoins(tx, toNote, clock.now()))
  return foreign
}

type Books = Pick<WalletFacts, 'ledger' | 'open' | 'batches' | 'blocks' | 'inflight'>

/** The books as of one moment. */
async function readBooks(db: Kysely<Database>, wallet: Wallet): Promise<Books> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async tx => {
      const account = floatAccount(wallet)
      return {
        ledger: (await balancesOf(tx, [account])).get(account) ?? millisats(0n),
        open: (await openCoins(tx)).filter(coin => coin.wallet === wallet),
        batches: await openBatches(tx),
        blocks: await unnotedBlocks(tx),
        inflight: wallet === 'hot' ? await auditInflight(tx) : [],
      }
    })
}

type LastCheck = {
  readonly isFirst: boolean
  readonly block: BlockHash | null
  readonly finding: string | null
}

async function lastCheck(db: Kysely<Database>, wallet: Wallet): Promise<LastCheck> {
  const row = await db
    .selectFrom('float_checks')
    .select(['since_block', 'finding'])
    .where('wallet', '=', wallet)
    .executeTakeFirst()
  const block = row?.since_block ?? null
  return {
    isFirst: row === undefined,
    block: block === null ? null : blockHash(block),
    finding: row?.finding ?? null,
  }
}

type Check = {
  readonly wallet: Wallet
  readonly block: BlockHash | null
  readonly books: Books
  readonly chain: readonly Coin[]
  readonly foreign: readonly Coin[]
  readonly finding: string | null
  readonly isNew: boolean
}

/** Writes what was seen; a new finding freezes the rail in the same commit, with its event. */
async function writeCheck(parts: ReconcileParts, check: Check): Promise<void> {
  const { db, clock, network, rail } = parts
  const at = clock.now()
  const free = await ownCoins(db, check.wallet, check.chain)
  await db.transaction().execute(async tx => {
    await upsert(tx, check, {
      at_ms: BigInt(at),
      since_block: check.block,
      ledger_msat: check.books.ledger,
      chain_sats: sumOf(check.chain),
      reserved_sats: sumOf(check.chain) - sumOf(free.free),
      on_way_sats: onTheWay(check.wallet, check.books),
      foreign_sats: sumOf(check.foreign),
      foreign_coins: foreignJson(check.foreign),
      finding: check.finding,
    })
    // Said once: what operators have lifted is not frozen again for the same reason.
    if (check.isNew && check.finding !== null)
      await freezeByPool(tx, { network, scope: rail, reason: check.finding, at })
  })
}

type CheckRow = Omit<Database['float_checks'], 'wallet' | 'foreign_coins'> & {
  readonly foreign_coins: string
}

async function upsert(tx: Transaction<Database>, { wallet }: Check, row: CheckRow): Promise<void> {
  await tx
    .insertInto('float_checks')
    .values({ wallet, ...row })
    .onConflict(conflict => conflict.column('wallet').doUpdateSet(row))
    .execute()
}

function foreignJson(coins: readonly Coin[]): string {
  return JSON.stringify(
    coins
      .slice(0, FOREIGN_SHOWN_MAX)
      .map(({ txid, vout, value }) => ({ txid, vout, valueSats: String(value) })),
  )
}
