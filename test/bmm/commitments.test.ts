import { Transaction } from 'bitcoinjs-lib'
import { describe, expect, test } from 'vitest'
import { type ArrangementTerms, arrangeBlock } from '../../src/bmm/commitments.ts'
import { readMessage } from '../../src/bmm/messages.ts'
import { withdrawalTransaction } from '../../src/lib/bitcoin/drivechain.ts'
import { parentsOf, scanTransaction } from '../../src/lib/bitcoin/tx-scan.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { TransactionReply } from '../../src/lib/nodes/block-template.ts'
import { mempoolOf, NOP5, type Recipe, replyOf, STATE, TIP } from './mempool.ts'

const TREASURY_0 = STATE.treasuries.get(0)?.coin ?? ''
const TERMS: ArrangementTerms = {
  opcode: NOP5,
  treasuryCoins: new Set(),
  own: null,
  failingBundles: new Set(),
  ownTransactions: [],
}
const ROOMY = 10_000
/** An M7 as an output. */
const M7_BYTES = 48
const OWN = { slot: 0, sideBlock: 'e'.repeat(64), yieldsFrom: null }

const plain = (spends: readonly number[] = []): Recipe => ({
  ...{ act: { kind: 'plain' }, slot: 0, fee: 5n, style: 'witness', spends },
})
const bid = (slot: number, fee: bigint, spends: readonly number[] = []): Recipe => ({
  ...{ act: { kind: 'bid', hash: slot, isStale: false }, slot, fee, style: 'witness', spends },
})
const deposit: Recipe = {
  ...{ act: { kind: 'treasury', grows: 9n, hasAddress: true }, slot: 0, fee: 5n, spends: [] },
  style: 'script',
}

function arrange(
  transactions: readonly TransactionReply[],
  terms: Partial<ArrangementTerms> = {},
  block: { readonly roomBytes?: number; readonly isEnforced?: boolean } = {},
) {
  const entries = transactions.map(each => ({ ...each, scan: scanTransaction(each.data) }))
  const arranged = arrangeBlock(
    {
      ...{ previousBlock: TIP, transactions: entries, parents: parentsOf(entries) },
      ...{ commitments: [], isEnforced: false, roomBytes: ROOMY, ...block },
    },
    { ...TERMS, ...terms },
  )
  const slots = arranged.commitments.map(({ script }) => {
    const message = readMessage(script)
    return message?.kind === 'M7' ? [message.slot, message.sideBlock[0]] : null
  })
  return { ...arranged, slots, out: [...arranged.leftOut].sort((a, b) => a - b) }
}

test('a withdrawal, which may have failed by its age, stays out unless an enforcer offers it', () => {
  const [coin = '', vout = ''] = TREASURY_0.split(':')
  const payouts = [{ value: 500n, script: fromHex(`0014${'ab'.repeat(20)}`) }]
  const raw = withdrawalTransaction(
    { version: 2, locktime: 0, treasury: 400n, payouts },
    { txid: txid(coin), vout: Number(vout), slot: 0, opcode: NOP5 },
  )
  const id = txid(Transaction.fromBuffer(raw).getId())
  const m6 = { txid: id, wtxid: id, data: raw, fee: sats(100n), weight: 4 * raw.length, sigops: 0 }
  const pool = [...mempoolOf([plain()]), m6]
  for (const treasuryCoins of [new Set<string>(), new Set([TREASURY_0])])
    expect(arrange(pool, { treasuryCoins }).out).toEqual([1])
  expect(arrange(pool, {}, { isEnforced: true }).out).toEqual([])
})

describe('of the bids for a slot', () => {
  test('the best is taken, the others stay out with what spends them', () => {
    // The plain transactions spend the newest coin before them: of the loser, and of the winner.
    const pool = mempoolOf([bid(1, 10n), plain([0]), bid(1, 30n), plain([0]), bid(2, 1n)])
    const { slots, out, bids } = arrange(pool)
    expect(slots).toEqual([
      [1, '1'],
      [2, '2'],
    ])
    expect(out).toEqual([0, 1])
    expect(bids.map(({ fee }) => fee)).toEqual([30n, 1n])
  })

  test('the one that spends another never wins, however much it pays', () => {
    const { slots, out } = arrange(mempoolOf([bid(1, 10n), bid(1, 30n, [0])]))
    expect([slots, out]).toEqual([[[1, '1']], [1]])
  })

  test('equal ones go by their place', () =>
    expect(arrange(mempoolOf([bid(1, 10n), bid(1, 10n)])).out).toEqual([1]))

  test('one that spends the winner of another slot wins with it, and falls with it', () => {
    const pool = mempoolOf([bid(1, 10n), bid(2, 30n, [0])])
    expect(arrange(pool).slots).toHaveLength(2)
    const rival = mempoolOf([bid(1, 10n), bid(2, 30n, [0]), bid(1, 20n)])
    const { slots, out } = arrange(rival)
    expect(slots).toEqual([[1, '1']])
    expect(out).toEqual([0, 1])
  })
})

describe('our own side block', () => {
  const pool = mempoolOf([bid(0, 1000n), bid(1, 1n)])

  test('has its slot for nothing, and no bid for it is taken', () => {
    const { slots, out } = arrange(pool, { own: OWN })
    expect(slots).toEqual([
      [1, '1'],
      [0, 'e'],
    ])
    expect(out).toEqual([0])
  })

  test('yields to a bid that pays as much as was said, and to no lower one', () => {
    const yielding = (yieldsFrom: bigint) =>
      arrange(pool, { own: { ...OWN, yieldsFrom: sats(yieldsFrom) } }).slots.map(each => each?.[1])
    expect(yielding(1000n)).toEqual(['0', '1'])
    expect(yielding(1001n)).toEqual(['1', 'e'])
  })
})

describe('a coinbase without room for all', () => {
  const pool = mempoolOf([bid(0, 7n), bid(1, 5n), bid(2, 6n), bid(3, 1n, [0])])

  test('goes without the bids that pay least, and without their transactions', () => {
    const { slots, out, bidsWithoutRoom } = arrange(pool, {}, { roomBytes: 2 * M7_BYTES })
    expect(slots.map(each => each?.[0])).toEqual([0, 2])
    expect(out).toEqual([1, 3])
    expect(bidsWithoutRoom).toBe(2)
  })

  test('keeps our own side block whatever it costs in length', () => {
    const { slots, out } = arrange(pool, { own: { ...OWN, slot: 7 } }, { roomBytes: 0 })
    expect(slots).toEqual([[7, 'e']])
    expect(out).toEqual([0, 1, 2, 3])
  })
})

describe('what only an enforcer can judge', () => {
  test('stays out without one: deposits, what spends a treasury, what looks like a bid', () => {
    const lookalike: Recipe = { ...bid(1, 1n), act: { kind: 'lookalike', cut: 1 } }
    const drain: Recipe = { ...plain(), act: { kind: 'drain' }, slot: 1, style: 'bare' }
    const pool = mempoolOf([deposit, plain([0]), lookalike, drain, plain()])
    expect(arrange(pool).out).toEqual([0, 1, 2, 3])
    expect(arrange(pool, {}, { isEnforced: true }).out).toEqual([])
  })

  test('a treasury coin is known on the chain, whatever script spends it', () => {
    const drain: Recipe = { ...plain(), act: { kind: 'drain' }, style: 'script' }
    const pool = mempoolOf([drain])
    expect(arrange(pool).out).toEqual([])
    expect(arrange(pool, { treasuryCoins: new Set([TREASURY_0]) }).out).toEqual([0])
  })

  test('an anchor that anybody may spend is no treasury where the template shows its script', () => {
    const spendsAnchor: Recipe = { ...plain([2]), style: 'bare' }
    const pool = mempoolOf([{ ...plain(), act: { kind: 'anchor' } }, spendsAnchor])
    expect(scanTransaction(pool[1]?.data ?? new Uint8Array())?.inputs[1]).toMatchObject({
      hasScript: false,
      hasWitness: false,
    })
    expect(arrange(pool).out).toEqual([])
  })
})

describe('the payment of a bundle', () => {
  const [before] = mempoolOf([plain()])
  if (!before) throw new Error('a transaction was made')
  const payouts = [{ value: 1n, script: Uint8Array.of(0x51) }]
  const payments = [0, 1].map(slot => {
    const coin = { txid: before.txid, vout: slot, slot, opcode: NOP5 }
    const raw = withdrawalTransaction({ version: 2, locktime: 0, treasury: 5n, payouts }, coin)
    return replyOf(Transaction.fromBuffer(raw), 0n)
  })
  const out = (failingBundles: ReadonlySet<number> | null) =>
    arrange([before, ...payments], { failingBundles }, { isEnforced: true }).out

  test('stays as the enforcer has it, unless a bundle of its slot fails in this block', () => {
    expect(out(new Set())).toEqual([])
    expect(out(new Set([1, 2]))).toEqual([2])
  })

  test('waits until it is known what fails in this block', () => expect(out(null)).toEqual([1, 2]))

  test('is told from a deposit by its only input, which needs neither script nor witness', () => {
    const deposits = mempoolOf([deposit, { ...deposit, act: { kind: 'first deposit' }, slot: 2 }])
    expect(arrange(deposits, { failingBundles: null }, { isEnforced: true }).out).toEqual([])
  })
})

describe('a deposit of our own', () => {
  test('puts out whatever spends its coins, and any other deposit into its slot', () => {
    const [first, , ours] = mempoolOf([deposit, plain(), { ...deposit, slot: 1 }])
    if (!first || !ours) throw new Error('three transactions were made')
    const rival = new Transaction()
    rival.addInput(Transaction.fromBuffer(ours.data).ins[0]?.hash ?? new Uint8Array(32), 0)
    rival.addOutput(Uint8Array.of(0x51), 1n)
    const sameSlot = new Transaction()
    sameSlot.addInput(new Uint8Array(32).fill(0xcc), 0)
    sameSlot.addOutput(Uint8Array.of(NOP5, 1, 1, 0x51), 1n)
    const pool = [first, replyOf(rival, 1n), replyOf(sameSlot, 1n)]
    const enforced = { isEnforced: true }
    expect(arrange(pool, {}, enforced).out).toEqual([])
    expect(arrange(pool, { ownTransactions: [ours.data] }, enforced).out).toEqual([1, 2])
  })
})
