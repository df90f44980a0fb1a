import { expect } from 'vitest'
import { z } from 'zod'
import { toHex } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import type { Rail } from '../../src/payouts/rail.ts'
import type { L1Options } from '../../src/payouts/rails/l1/l1-parts.ts'
import type { TestNode } from '../support/bitcoind.ts'
import { FINALITY, OPTIONS, railOn, type World } from './l1-world.ts'

/** A version as it is stored. */
export type StoredVersion = {
  readonly version: number
  readonly txid: string
  readonly fee: bigint
  /** Null while it is not signed. */
  readonly hex: string | null
}

/** The versions of a world's batches, oldest first. */
export async function versionsIn({ db }: World): Promise<StoredVersion[]> {
  const rows = await db
    .selectFrom('batch_versions')
    .selectAll()
    .orderBy('batch_id')
    .orderBy('version')
    .execute()
  return rows.map(({ version, txid, fee_sats: fee, raw }) => ({
    ...{ version, txid, fee },
    hex: raw === null ? null : toHex(new Uint8Array(raw)),
  }))
}

export async function lastBatch(world: World) {
  return world.db.selectFrom('batches').selectAll().orderBy('id', 'desc').executeTakeFirstOrThrow()
}

/** The rail when fees are so high; it waits for no block before it replaces, unless told to. */
export function railAt(
  world: World,
  node: { readonly rpc: TestNode['rpc'] },
  satPerKvb: bigint,
  more: Partial<L1Options> = {},
): Rail {
  const options = { ...OPTIONS, feeRateMin: sats(satPerKvb), bumpAfterBlocks: 0, ...more }
  return railOn(world.db, connectNode(node.rpc), { clock: world.clock, options })
}

/** What a payee got, one amount for each unspent output of the chain. */
export async function outputsTo(node: TestNode, payee: string): Promise<bigint[]> {
  const scan = z.object({ unspents: z.array(z.object({ amount: z.number() })) })
  const { unspents } = scan.parse(await node.cli('scantxoutset', 'start', [`addr(${payee})`]))
  return unspents.map(({ amount }) => BigInt(Math.round(amount * 1e8)))
}

export async function mempool(node: TestNode): Promise<unknown> {
  return node.cli('getrawmempool')
}

/** One block with just these transactions, whatever the mempool holds. */
export async function mineOnly(node: TestNode, ...hexes: readonly string[]): Promise<string> {
  const block = z.object({ hash: z.string() })
  return block.parse(await node.cli('generateblock', 'raw(51)', hexes)).hash
}

/** Expects the batch to be settled by this version, and the books to say so. */
export async function expectSettledBy(world: World, version: StoredVersion | undefined) {
  expect(await lastBatch(world)).toMatchObject({
    state: 'settled',
    paid_version: version?.version,
  })
  const balances = await world.balances()
  expect(balances['asset:l1_out_unconfirmed']).toBe(0n)
  expect(balances['expense:fee_l1']).toBe((version?.fee ?? 0n) * 1000n)
  expect(balances[`miner:${world.accounts[0]}:inflight`]).toBe(0n)
}

/** Makes what is on its way final, and lets the pool see it. */
export async function settle(world: World, node: TestNode): Promise<void> {
  await node.mine(FINALITY)
  await world.advance()
}

/** A dead worker gives no lease back; time would, and here nobody waits for it. */
export async function endLeases(world: World): Promise<void> {
  await world.db.updateTable('batches').set({ lease_until: null }).execute()
}

const RECIPIENTS = 'recipients'

/** A wallet that payees can have addresses of, besides the pool's. */
export async function createRecipients(node: TestNode): Promise<void> {
  await node.cli('createwallet', RECIPIENTS)
}

export async function recipientAddress({ rpc }: Pick<TestNode, 'rpc'>): Promise<string> {
  const { call } = connectNode(rpc)
  return z.string().parse(await call('getnewaddress', ['', 'bech32'], { wallet: RECIPIENTS }))
}

/**
 * Spends what a recipient gets, as often as asked, each child spending the one before.
 *
 * @returns the children's ids
 */
export async function spendAsRecipient(
  { rpc }: TestNode,
  output: { readonly txid: string; readonly vout: number; readonly value: bigint },
  children: { readonly count: number; readonly fee: bigint },
): Promise<string[]> {
  const { call } = connectNode(rpc)
  const ids: string[] = []
  let coin = output
  for (let made = 0; made < children.count; made++) {
    const value = coin.value - children.fee
    const to = await recipientAddress({ rpc })
    const amount = (Number(value) / 1e8).toFixed(8)
    const inputs = [{ txid: coin.txid, vout: coin.vout }]
    const raw = await call('createrawtransaction', [inputs, [{ [to]: amount }]])
    const reply = await call('signrawtransactionwithwallet', [raw], { wallet: RECIPIENTS })
    const { hex } = z.object({ hex: z.string() }).parse(reply)
    const id = z.string().parse(await call('sendrawtransaction', [hex]))
    ids.push(id)
    coin = { txid: id, vout: 0, value }
  }
  return ids
}
