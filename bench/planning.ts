import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { address, networks } from 'bitcoinjs-lib'
import { sql } from 'kysely'
import { z } from 'zod'
import type { CoinManifest } from '../src/approval/index.ts'
import { startBitcoind } from '../src/devnet/bitcoind.ts'
import { callNode } from '../src/devnet/node-rpc.ts'
import {
  chartAccount,
  type Leg,
  mergeLegs,
  minerAccount,
  postEntries,
} from '../src/ledger/index.ts'
import { fromHex } from '../src/lib/bytes.ts'
import { accountId, batchId, journalKey, txid } from '../src/lib/ids.ts'
import { createLog } from '../src/lib/log.ts'
import { millisats, sats } from '../src/lib/money.ts'
import { connectNode } from '../src/lib/nodes/bitcoin-core-client.ts'
import { systemRandom } from '../src/lib/random.ts'
import { systemClock } from '../src/lib/time.ts'
import { coinManifestOf } from '../src/payouts/payout-store.ts'
import { type Planning, planPayouts } from '../src/payouts/plan-store.ts'
import type { Coin, Rail } from '../src/payouts/rail.ts'
import { addressScript, feesAt, parseDestination } from '../src/payouts/rails/l1/destination.ts'
import { L1_BOOKS } from '../src/payouts/rails/l1/l1-parts.ts'
import { buildTransaction, feeFor, WEIGHT_MAX } from '../src/payouts/rails/l1/transaction.ts'
import { walletClient } from '../src/payouts/rails/l1/wallet-client.ts'
import type { Scheme } from '../src/payouts/scheme.ts'
import { cpuSecondsOfFamily } from './parts/cpu.ts'
import { type BenchDatabase, startDatabase } from './parts/database.ts'
import { printMachine, printTable } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { FIRST_HEIGHT } from './parts/template.ts'

/** From many accounts that are due to batches that operators can approve; no node takes part. */
const ACCOUNTS = 100_000
/** One account in so many is below what is paid, and one has a payee with settings. */
const POOR_EVERY = 50
const SETTINGS_EVERY = 10
const COINS = 400
const COIN = 100_000_000n
const HOUR_MS = 3_600_000
const OLD_ENTRIES = 50_000
const OLD_BATCHES = 2000
/** A batch's worth, with those who are owed too little. */
const PAYOUTS = 1020
const SINGLES = 3
const WALLET = 'payouts'
/** Core: a coinbase can be spent by the 101st block. */
const COINBASE_MATURITY = 100

const SCHEMES: readonly Scheme[] = (['pool', 'payees'] as const).map(feePaidBy => ({
  name: feePaidBy,
  rewardPool: 'pplns',
  interval: { kind: 'minutes', minutes: 60 },
  rails: ['l1'],
  minimum: sats(10_000n),
  feeBasisPoints: 100,
  feePaidBy,
}))

const COIN_SCRIPT = fromHex(`0014${'11'.repeat(20)}`)
const CHANGE = addressOf(0)

/** The rail as it is, but for its node: rates are given, and coins of another round each time. */
const railOf = (coins: readonly Coin[], change = CHANGE): Rail => ({
  name: 'l1',
  books: L1_BOOKS,
  parseDestination: payee => parseDestination(payee, 'regtest'),
  fees: { ...feesAt(sats(50_000n), 'regtest', null), whole: feeFor(WEIGHT_MAX, sats(50_000n)) },
  funds: async () => ({
    kind: 'coins',
    coins,
    newChange: async () => change,
    expected: { fees: feesAt(sats(5000n), 'regtest', null), feeRateSatPerKvb: sats(5000n) },
  }),
  prepare: notHere,
  send: notHere,
  check: notHere,
  adopt: notHere,
  bump: notHere,
})

function notHere(): Promise<never> {
  return Promise.reject(new Error('nothing is sent in this measurement'))
}

function coin(index: number): Coin {
  const id = txid((index + 1).toString(16).padStart(64, '0'))
  return { txid: id, vout: 0, value: sats(COIN), script: COIN_SCRIPT }
}

function addressOf(n: number): string {
  return address.toBech32(fromHex(n.toString(16).padStart(40, '0')), 0, networks.regtest.bech32)
}

async function fill({ ownerDb }: BenchDatabase): Promise<void> {
  const then = systemClock.now() - 2 * HOUR_MS
  const numbers = Array.from({ length: ACCOUNTS }, (_, index) => index + 1)
  await sql`insert into payees (kind, destination, created_ms)
    select 'bitcoin', destination, ${then}
      from unnest(${numbers.map(addressOf)}::text[]) as destination`.execute(ownerDb)
  await sql`insert into accounts (payee_id, scheme, created_ms)
    select id, case when id % 2 = 0 then 'pool' else 'payees' end, ${then}
      from payees order by id`.execute(ownerDb)
  await sql`insert into tips (height, hash, previous_block, time_ms, seen_ms)
    values (${FIRST_HEIGHT}, ${'b'.repeat(64)}, ${'a'.repeat(64)}, ${then}, ${then})`.execute(
    ownerDb,
  )
  await sql`insert into epochs (id, opened_ms, block_target, subsidy_sats, closed_ms, close_reason)
    values (1, 0, ${Buffer.alloc(32, 0x7f)}, 5000000000, 1, 'time')`.execute(ownerDb)
  await sql`insert into reward_statements
      (number, reward_pool, epoch_id, height, hash, bytes, created_ms)
    values (1, 'pplns', 1, ${FIRST_HEIGHT}, ${'c'.repeat(64)}, ''::bytea, ${then})`.execute(ownerDb)
  await sql`insert into reward_lines (statement_number, account_id, amount_msat)
    select 1, id, 1 from accounts`.execute(ownerDb)
  await sql`insert into payout_settings (payee_id, number, rails, paused, proof, message, signature,
                                         reason, given_ms, pays_from_ms)
    select id, number, '[{"rail": "l1", "destination": null, "minimumSats": "20000"}]'::jsonb,
           false, 'bip322', 'message', 'signature', '', ${then}, ${then}
      from payees, generate_series(1, 2) as number
     where id % ${SETTINGS_EVERY} = 0`.execute(ownerDb)
}

/** Entries and batches of earlier days: in an empty table a look-up is not what it is later. */
async function age({ ownerDb }: BenchDatabase): Promise<void> {
  await ownerDb.transaction().execute(async tx => {
    await sql`insert into ledger_accounts (name, kind)
      select 'asset:bench_' || n, 'asset' from generate_series(1, 2) as n`.execute(tx)
    await sql`insert into journal (key, request_hash, event, posted_ms)
      select 'bench:' || n, ${'e'.repeat(64)}, 'bench', 0
        from generate_series(1, ${OLD_ENTRIES}::int) as n`.execute(tx)
    await sql`insert into legs (journal_id, leg, account_id, amount_msat)
      select journal.id, account.id, account.id, case account.name when 'asset:bench_1' then 1 else -1 end
        from journal, ledger_accounts account where account.name like 'asset:bench%'`.execute(tx)
  })
  await sql`insert into batches (rail, state, manifest, manifest_hash, anchor_txid, anchor_vout,
                                 total_sats, fee_max_sats, created_ms, expires_ms)
    select 'l1', 'settled', ''::bytea, lpad(to_hex(n), 64, '0'), ${'d'.repeat(64)}, n, 1, 0, 0, 1
      from generate_series(1, ${OLD_BATCHES}::int) as n`.execute(ownerDb)
}

function coinsOf(round: number): Coin[] {
  return Array.from({ length: COINS }, (_, index) => coin(round * COINS + index))
}

async function owe({ db }: BenchDatabase, round: number, accounts = ACCOUNTS): Promise<void> {
  const numbers = Array.from({ length: accounts }, (_, index) => index + 1)
  const owed = numbers.map(n => ({
    account: minerAccount(accountId(BigInt(n)), 'payable'),
    amount: millisats(n % POOR_EVERY === 0 ? -9_999_999n : BigInt(-(30_000_000 + n))),
  }))
  const total = owed.reduce((sum, { amount }) => sum + amount, 0n)
  const float = millisats(BigInt(COINS) * COIN * 1000n)
  const legs: Leg[] = [
    ...owed,
    { account: chartAccount('ppsCost'), amount: millisats(-total) },
    { account: chartAccount('l1Float'), amount: float },
    { account: chartAccount('treasuryCapital'), amount: millisats(-float) },
  ]
  const key = journalKey(`bench:owed-${round}`)
  const entry = { key, event: 'bench', legs: mergeLegs(legs), at: systemClock.now() }
  await db.transaction().execute(tx => postEntries(tx, [entry]))
}

/** As if all had been paid and their intervals were over once more. */
async function settle({ ownerDb }: BenchDatabase): Promise<void> {
  await sql`alter table payouts disable trigger user`.execute(ownerDb)
  await sql`update payouts set state = 'settled', planned_ms = planned_ms - ${2 * HOUR_MS}`.execute(
    ownerDb,
  )
  await sql`alter table payouts enable trigger user`.execute(ownerDb)
  await sql`update batches set state = 'settled'`.execute(ownerDb)
}

function planning(limits: Planning['rules']['limits'], rail: Rail): Planning {
  return {
    schemes: SCHEMES,
    rails: [rail],
    network: 'regtest',
    clock: systemClock,
    rules: { version: 1, limits, allowList: null },
    frozen: async () => null,
    expiresAfterMs: HOUR_MS,
  }
}

/** A node with a wallet that has a coin to spend: who signs asks it how the coins are derived. */
async function startWallet({ dir, keep }: Scene) {
  const log = createLog('bench', 'silent')
  const options = { dir: join(dir, 'bitcoind'), log, random: systemRandom }
  await mkdir(options.dir)
  const node = await startBitcoind(options)
  keep(node.stop)
  await callNode(node.rpc, 'createwallet', WALLET, false, false, '', false, true, true)
  const change = z.string().parse(await callNode(node.rpc, 'getnewaddress', '', 'bech32'))
  await callNode(node.rpc, 'generatetoaddress', COINBASE_MATURITY + 1, change)
  const client = walletClient(connectNode(node.rpc), WALLET)
  return { change, client, coins: await client.coins(1) }
}

/** From a manifest to the PSBT that a signer gets. */
async function describe(
  manifest: CoinManifest,
  { client, coins }: Awaited<ReturnType<typeof startWallet>>,
): Promise<number> {
  const built = buildTransaction(
    {
      anchor: manifest.anchor,
      multisigWeight: null,
      treasury: null,
      coins: coins.filter(({ txid }) => txid === manifest.anchor.txid),
      payments: manifest.payees.map(({ destination, amount }) => ({
        script: addressScript(destination, 'regtest'),
        amount,
      })),
      changeScript: addressScript(manifest.change, 'regtest'),
      feeMax: manifest.feeMax,
    },
    sats(5000n),
  )
  if (built.kind !== 'built') throw new Error('the batch is too dear')
  return (await client.describe(built.psbt)).length
}

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const { db, ownerDb, pid } = database
  await fill(database)
  await age(database)
  await owe(database, 0)
  await sql`vacuum analyze`.execute(ownerDb)
  const rows: string[][] = []
  async function time(part: string, act: () => Promise<string>): Promise<void> {
    const from = { at: performance.now(), own: process.cpuUsage(), pg: cpuSecondsOfFamily(pid) }
    const what = await act()
    const { user, system } = process.cpuUsage(from.own)
    const seconds = [
      (performance.now() - from.at) / 1000,
      (user + system) / 1e6,
      cpuSecondsOfFamily(pid) - from.pg,
    ]
    rows.push([part, ...seconds.map(value => value.toFixed(2)), what])
  }
  const day = { perBatch: null, perDay: sats(30_000_000n), perDestinationPerDay: null }
  const none = { perBatch: null, perDay: null, perDestinationPerDay: null }
  const run = async (limits: Planning['rules']['limits'], rail = railOf(coinsOf(0))) => {
    const [outcome] = await planPayouts(db, planning(limits, rail))
    return `${outcome?.batches.length} batches`
  }
  await time('one batch: a limit of the day ends the run', () => run(day))
  await time('all others, none of whom was ever paid', () => run(none))
  await time('a run with nobody due', () => run(none))
  await settle(database)
  await owe(database, 1)
  await sql`vacuum analyze`.execute(ownerDb)
  await time('all of them once more', () => run(none, railOf(coinsOf(1))))
  const wallet = await startWallet(scene)
  for (let round = 2; round < 2 + SINGLES; round++) {
    await settle(database)
    await owe(database, round, PAYOUTS)
    await sql`vacuum analyze`.execute(ownerDb)
    await time('1,000 due: plan, ledger, manifest, commit', () =>
      run(none, railOf(wallet.coins, wallet.change)),
    )
    const { id } = await db
      .selectFrom('batches')
      .select('id')
      .where('state', '=', 'planned')
      .executeTakeFirstOrThrow()
    await time('its manifest read, built, described by a node', async () => {
      const manifest = await coinManifestOf(db, batchId(id))
      const bytes = await describe(manifest, wallet)
      return `${manifest.payees.length} payees, ${bytes} bytes`
    })
    // Its one coin is needed again.
    await sql`update reserved_outputs set released_ms = 1 where batch_id = ${id}`.execute(ownerDb)
  }
  const { count } = await db
    .selectFrom('payouts')
    .select(eb => eb.fn.countAll<bigint>().as('count'))
    .executeTakeFirstOrThrow()
  printTable(`${ACCOUNTS} accounts, ${count} payouts, PostgreSQL ${database.version}`, [
    ['part', 'seconds', 'own CPU', 'PostgreSQL CPU', 'result'],
    ...rows,
  ])
})
