import type { Kysely } from 'kysely'
import { balancesOf } from '../ledger/index.ts'
import { toHex } from '../lib/bytes.ts'
import type { Database, Wallet } from '../lib/db/schema.ts'
import type { Log } from '../lib/log.ts'
import { millisats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import { lastCheck, writeCheck } from './float-check-store.ts'
import { isNodeTrouble } from './node-trouble-client.ts'
import { outpointText } from './outpoint.ts'
import { auditInflight } from './payout-audit-store.ts'
import type { Coin } from './rail.ts'
import { foldSettled, openBatches, openEffects } from './rails/l1/coin-batches-store.ts'
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
import { classifyOutput, type NotedCoin } from './rails/l1/coins.ts'
import type { WalletClient } from './rails/l1/wallet-client.ts'
import { judgeWallet, onTheWay, type Verdict, type WalletFacts } from './reconcile.ts'
import { type Reconciled, type Reconciler, reconcilerOf } from './reconciler.ts'
import { versionsAmong } from './version-store.ts'
import { awaitedScripts } from './withdrawal-store.ts'

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

/** Compares the main chain's wallets with the books. */
export function reconciler(parts: ReconcileParts): Reconciler {
  return reconcilerOf('reconcile-floats', parts.log, () => reconcile(parts))
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
  const tip = async () => (await client.chain()).bestblockhash
  const before = await tip()
  const since = await lastCheck(db, { rail: parts.rail, wallet })
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
  // A coin that was unconfirmed at the first question and confirmed at the last looks gone between.
  if (verdict.kind === 'finding' && (await tip()) !== before)
    return { kind: 'waits', reason: 'the chain moved while it was compared' }
  const finding = verdict.kind === 'finding' ? verdict.finding : null
  const isKnown = finding !== null && finding === since.finding
  const chain = known.filter(coin => unspent.has(outpointText(coin)))
  const { free } = await ownCoins(db, wallet, chain)
  const check = {
    // What operators have seen and lifted is behind us; anything else is asked for again.
    block: finding === null || isKnown ? next : since.block,
    ledger: books.ledger,
    onTheWay: onTheWay(wallet, books),
    ...{ chain, free, foreign, finding, isKnown },
  }
  const where = { network: parts.network, at: parts.clock.now() }
  await writeCheck(db, { rail: parts.rail, wallet }, check, where)
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
  const awaited = await awaitedScripts(db)
  const foreign: Coin[] = []
  const toNote: NotedCoin[] = []
  for (const coin of others) {
    const block = booked.get(blocks.get(coin.txid) ?? '') ?? null
    const isOnItsWay = ours.has(coin.txid) || awaited.has(toHex(coin.script))
    const facts = { wallet, isNoted: false, isOnItsWay, block }
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
