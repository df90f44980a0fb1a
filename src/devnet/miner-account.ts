import { z } from 'zod'
import { parseThunderAddress } from '../lib/thunder/address.ts'
import type { Devnet } from './devnet.ts'
import type { DevnetSidechain } from './devnet-sidechain.ts'
import type { PoolApi } from './pool-api.ts'

const PAGES_MAX = 100
const whole = z.string().transform(BigInt)

const earnings = z.object({
  items: z.array(z.object({ amountMsat: whole })),
  nextCursor: z.string().nullable(),
})
const balances = z.object({ pendingMsat: whole, payableMsat: whole, inflightMsat: whole })
const payouts = z.object({
  items: z.array(
    z.object({
      amountSats: whole,
      state: z.string(),
      txid: z.string().nullable(),
      preimage: z.string().nullable(),
    }),
  ),
})
const transaction = z.object({
  confirmations: z.number().default(0),
  vout: z.array(
    z.object({ value: z.number(), scriptPubKey: z.object({ address: z.string().optional() }) }),
  ),
})

/** What one miner earned and got, on the three sides that must agree. */
export type MinerAccount = {
  /** Sum of its lines in all reward statements. */
  readonly statementsMsat: bigint
  /** What the ledger still owes it. */
  readonly owedMsat: bigint
  /** What the ledger says was paid, in settled payouts. */
  readonly paidSats: bigint
  /** What confirmed transactions pay to it, or payments, as the node of its rail sees them. */
  readonly chainSats: bigint
  readonly txids: readonly string[]
  /** Of payments over Lightning: only the payee had them. */
  readonly preimages: readonly string[]
}

/** Earned is what was paid and what is owed; and the chain paid what the ledger says. */
export function agrees(account: MinerAccount): boolean {
  const { statementsMsat, owedMsat, paidSats, chainSats } = account
  return statementsMsat === owedMsat + paidSats * 1000n && paidSats === chainSats && paidSats > 0n
}

/** What confirmed transactions pay to an address, in satoshis, among those of these ids. */
export type PaidBy = (payee: string, txids: readonly string[]) => Promise<bigint>

/** Null while the pool knows nothing of the payee, or does not answer. */
export async function accountOf(
  pool: PoolApi,
  paid: PaidBy,
  payee: string,
): Promise<MinerAccount | null> {
  const ledger = balances.safeParse(await pool.get(`/miners/${payee}/balances`))
  if (!ledger.success) return null
  const { pendingMsat, payableMsat, inflightMsat } = ledger.data
  const list = payouts.safeParse(await pool.get(`/miners/${payee}/payouts?limit=100`))
  const statementsMsat = await earned(pool, payee)
  if (!list.success || statementsMsat === null) return null
  const settled = list.data.items.filter(payout => payout.state === 'settled')
  const txids = settled.map(payout => payout.txid).filter(txid => txid !== null)
  return {
    statementsMsat,
    owedMsat: pendingMsat + payableMsat + inflightMsat,
    paidSats: settled.reduce((sum, payout) => sum + payout.amountSats, 0n),
    chainSats: await paid(payee, txids),
    txids,
    preimages: settled.map(payout => payout.preimage).filter(preimage => preimage !== null),
  }
}

async function earned(pool: PoolApi, payee: string): Promise<bigint | null> {
  let sum = 0n
  let cursor: string | null = ''
  for (let page = 0; cursor !== null && page < PAGES_MAX; page++) {
    const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const list = earnings.safeParse(await pool.get(`/miners/${payee}/earnings?limit=100${query}`))
    if (!list.success) return null
    for (const { amountMsat } of list.data.items) sum += amountMsat
    cursor = list.data.nextCursor
  }
  return sum
}

/** Bitcoin addresses, by the devnet's node. */
export function paidOnL1({ call }: Pick<Devnet, 'call'>): PaidBy {
  return async (payee, txids) => {
    let sum = 0n
    for (const txid of new Set(txids)) {
      const { vout, confirmations } = transaction.parse(await call('getrawtransaction', txid, true))
      if (confirmations === 0) continue
      for (const { value, scriptPubKey } of vout) {
        // The node prints at most eight decimals, so rounding to whole satoshis restores them.
        if (scriptPubKey.address === payee) sum += BigInt(Math.round(value * 100_000_000))
      }
    }
    return sum
  }
}

/** Thunder addresses in either form, of which nobody spends: all that the node says they hold. */
export function paidOnThunder({ holds }: Pick<DevnetSidechain, 'holds'>): PaidBy {
  return async payee => {
    const parsed = parseThunderAddress(payee)
    return parsed.kind === 'thunder' ? holds(parsed.address) : 0n
  }
}
