import type { Kysely } from 'kysely'
import { z } from 'zod'
import { auditChain, extendChain, findingText } from '../../src/ledger/index.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { satsFromCoins } from '../../src/lib/nodes/amount.ts'
import { auditBatches, auditInflight, auditVersions } from '../../src/payouts/index.ts'

/** What the chain is asked for; past every proxy and every client of the pool's. */
export type ChainView = {
  readonly node: (method: string, ...params: readonly unknown[]) => Promise<unknown>
  readonly wallet: (method: string, ...params: readonly unknown[]) => Promise<unknown>
}

/** Who was to be paid how much, once. */
export type Debt = { readonly address: string; readonly amount: bigint }

const amount = z.union([z.number(), z.string()]).transform(coins => satsFromCoins(coins) ?? -1n)

/**
 * What is wrong after a fault, whatever it was; nothing where all is well.
 * The chain itself says who was paid (G1); the ledger, its live payouts and the manifests must
 * agree (G2, G3, G5); and the node's wallet must hold what the ledger says is left.
 *
 * @param paid debts that have been settled: each must be one output of its exact amount
 * @param unpaid debts of whom the chain must show no output
 */
export async function complaintsOf(
  db: Kysely<Database>,
  chain: ChainView,
  { paid, unpaid }: { readonly paid: readonly Debt[]; readonly unpaid: readonly Debt[] },
): Promise<readonly string[]> {
  return [
    ...(await checkBooks(db)),
    ...(await checkOutputs(chain, { paid, unpaid })),
    ...(await checkSpends(db, chain)),
  ]
}

/** What the pool's own records say of each other. */
export async function checkBooks(db: Kysely<Database>): Promise<readonly string[]> {
  await extendChain(db)
  const { findings } = await auditChain(db)
  return [
    ...findings.map(findingText),
    ...(await auditInflight(db)),
    ...(await auditBatches(db, 'all')),
    ...(await auditVersions(db, 'all')),
  ]
}

/** Payees here never spend, so that what the chain has unspent is all they ever got. */
export async function checkOutputs(
  chain: Pick<ChainView, 'node'>,
  { paid, unpaid }: { readonly paid: readonly Debt[]; readonly unpaid: readonly Debt[] },
): Promise<readonly string[]> {
  const debts = [...paid, ...unpaid.map(debt => ({ ...debt, amount: null }))]
  if (debts.length === 0) return []
  const scan = z.object({ unspents: z.array(z.object({ desc: z.string(), amount })) })
  const descriptors = debts.map(({ address }) => `addr(${address})`)
  const { unspents } = scan.parse(await chain.node('scantxoutset', 'start', descriptors))
  return debts.flatMap(({ address, amount }) => {
    const got = unspents.filter(({ desc }) => desc.startsWith(`addr(${address})`))
    const right = amount === null ? got.length === 0 : got.length === 1 && got[0]?.amount === amount
    const sums = got.map(({ amount }) => `${amount}`).join(', ')
    return right ? [] : [`${address} is owed ${amount ?? 'nothing yet'} and got [${sums}]`]
  })
}

/** What left the wallet is a version of some batch, and what is left is what the ledger says. */
async function checkSpends(db: Kysely<Database>, chain: ChainView): Promise<readonly string[]> {
  const listed = z.object({
    transactions: z.array(
      z.object({ txid: z.string(), category: z.string(), confirmations: z.int() }),
    ),
  })
  const { transactions } = listed.parse(await chain.wallet('listsinceblock'))
  const versions = await db.selectFrom('batch_versions').select(['txid', 'raw']).execute()
  const stored = new Set(versions.filter(({ raw }) => raw !== null).map(({ txid }) => txid))
  const foreign = transactions.filter(
    ({ txid, category }) => category === 'send' && !stored.has(txid),
  )
  return [
    ...new Set(foreign.map(({ txid }) => `${txid} left the wallet and was never stored`)),
    ...(await checkFloat(db, chain)),
  ]
}

async function checkFloat(db: Kysely<Database>, chain: ChainView): Promise<readonly string[]> {
  const live = await db
    .selectFrom('batches')
    .select('id')
    .where('state', 'in', ['prepared', 'sent', 'uncertain'])
    .executeTakeFirst()
  // While something is on its way, part of the money stands in another account.
  if (live) return []
  const row = await db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
    .select('amount_msat')
    .where('name', '=', 'asset:l1')
    .executeTakeFirst()
  const balances = z.object({ mine: z.object({ trusted: amount }) })
  const { mine } = balances.parse(await chain.wallet('getbalances'))
  const booked = (row?.amount_msat ?? 0n) / 1000n
  if (mine.trusted === booked) return []
  return [`the wallet holds ${mine.trusted} sat, the ledger says ${booked}`]
}
