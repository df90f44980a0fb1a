import { Psbt, Transaction } from 'bitcoinjs-lib'
import { expect, test } from 'vitest'
import { txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { Coin } from '../../src/payouts/rail.ts'
import {
  type AnchorEvidence,
  type ChainView,
  chainComplaint,
  judgeAnchor,
  judgeVersions,
  readSendReply,
  type VersionEvidence,
} from '../../src/payouts/rails/l1/evidence.ts'
import {
  bareWeight,
  buildTransaction,
  feeFor,
  inputWeight,
  type Order,
  outputWeight,
  transactionComplaint,
  weightOf,
} from '../../src/payouts/rails/l1/transaction.ts'

const OURS = txid('aa'.repeat(32))
const FOREIGN = txid('bb'.repeat(32))
const FINALITY = 6

const replies = [
  ['our txid', { kind: 'txid', txid: OURS }, 'sent'],
  ['another txid', { kind: 'txid', txid: FOREIGN }, 'unknown'],
  ['-27, already confirmed', { kind: 'error', code: -27, message: '' }, 'sent'],
  ['-25, missing or spent', { kind: 'error', code: -25, message: 'x' }, 'unknown'],
  ['-26, any refusal', { kind: 'error', code: -26, message: 'x' }, 'unknown'],
  ['-28, warming up', { kind: 'error', code: -28, message: 'x' }, 'unknown'],
  ['nothing', { kind: 'no answer', message: 'reset' }, 'unknown'],
] as const
for (const [name, reply, kind] of replies)
  test(`a broadcast answered with ${name} is ${kind}`, () =>
    expect(readSendReply(reply, OURS).kind).toBe(kind))

const VIEW: ChainView = {
  chain: 'main',
  blocks: 100,
  headers: 100,
  isSyncing: false,
  tipAgeMs: 600_000,
  highest: { height: 100, fate: 'on chain' },
}
const views: readonly [string, Partial<ChainView>, boolean][] = [
  ['its tip is the highest', {}, true],
  ['nothing was seen before', { highest: null }, true],
  ['it is on another chain', { chain: 'test' }, false],
  ['its newest block is three hours old', { tipAgeMs: 3 * 3_600_000 }, false],
  ['our clock is behind its newest block', { tipAgeMs: -60_000 }, true],
  ['it is syncing', { isSyncing: true }, false],
  ['it knows headers beyond its blocks', { headers: 101 }, false],
  ['a higher tip is gone', { highest: { height: 101, fate: 'gone' } }, false],
  ['a higher tip is a fork', { highest: { height: 101, fate: 'forked' } }, true],
  ['a lower tip is gone', { highest: { height: 99, fate: 'gone' } }, true],
]
for (const [name, change, believed] of views)
  test(`a node is ${believed ? '' : 'not '}believed when ${name}`, () =>
    expect(chainComplaint({ ...VIEW, ...change }, 'main') === null).toBe(believed))

const version = (confirmations: number, more: Partial<VersionEvidence> = {}): VersionEvidence => ({
  version: 1,
  txid: OURS,
  fee: sats(100n),
  isSigned: true,
  confirmations,
  ...more,
})
const NEWER = version(0, { version: 2, txid: txid('cc'.repeat(32)), fee: sats(300n) })
const UNSPENT: AnchorEvidence = { kind: 'unspent', inMempool: null }
const spent = (by: typeof OURS, confirmations: number): AnchorEvidence => ({
  kind: 'spent',
  by,
  confirmations,
})
const evidence = [
  ['deep enough', [version(6)], UNSPENT, { kind: 'settled', version: 1, fee: 100n }],
  ['one short of it', [version(5)], UNSPENT, { kind: 'waiting', confirmations: 5 }],
  [
    'the older version deep',
    [NEWER, version(6)],
    UNSPENT,
    { kind: 'settled', version: 1, fee: 100n },
  ],
  [
    'deep, and its bytes are not stored',
    [version(6, { isSigned: false })],
    UNSPENT,
    { kind: 'waiting', confirmations: 6 },
  ],
  ['in the mempool', [version(0)], { ...UNSPENT, inMempool: OURS }, { kind: 'waiting' }],
  ['nowhere', [version(0)], UNSPENT, { kind: 'missing' }],
  ['a rival in the mempool', [version(0)], { ...UNSPENT, inMempool: FOREIGN }, { kind: 'unknown' }],
  ['a rival one short of final', [version(0)], spent(FOREIGN, 5), { kind: 'unknown' }],
  ['a rival final', [version(0)], spent(FOREIGN, 6), { kind: 'dead' }],
  ['a rival final before anything was built', [], spent(FOREIGN, 6), { kind: 'dead' }],
  ['ours, seen a moment too late', [version(0)], spent(OURS, 6), { kind: 'unknown' }],
  ['an unknown spender', [version(0)], { kind: 'spent by something' }, { kind: 'unknown' }],
] as const
for (const [name, versions, anchor, outcome] of evidence)
  test(`evidence is judged: ${name}`, () =>
    expect(
      judgeVersions(versions, FINALITY) ?? judgeAnchor(versions, anchor, FINALITY),
    ).toMatchObject(outcome))

const script = (n: number) => Uint8Array.of(0, 20, ...new Uint8Array(20).fill(n))
const coin = (n: number, value: bigint): Coin => ({
  txid: txid(n.toString(16).padStart(64, '0')),
  vout: n,
  value: sats(value),
  script: script(0xee),
})
const ORDER: Order = {
  anchor: coin(2, 60_000n),
  multisigWeight: null,
  treasury: null,
  coins: [coin(2, 60_000n), coin(1, 50_000n)],
  payments: [
    { script: script(1), amount: sats(40_000n) },
    { script: script(2), amount: sats(50_000n) },
  ],
  changeScript: script(9),
  feeMax: sats(2000n),
}

function built(order = ORDER, rate = 2000n) {
  const fee = feeFor(weightOf(order), sats(rate))
  const outcome = buildTransaction(order, fee)
  if (outcome.kind !== 'built') throw new Error('it is affordable')
  return { ...outcome, fee, transaction: unsignedOf(outcome.psbt) }
}

function unsignedOf(psbt: Uint8Array): Transaction {
  return Transaction.fromBuffer(Psbt.fromBuffer(psbt).data.getTransaction())
}

test('the anchor comes first, the change last, and nothing is left to chance', () => {
  const { transaction, fee, txid: id } = built()
  expect(transaction.ins.map(({ index, sequence }) => [index, sequence])).toEqual([
    [2, 0xfffffffd],
    [1, 0xfffffffd],
  ])
  expect([transaction.version, transaction.locktime]).toEqual([2, 0])
  expect(transaction.outs.map(({ value }) => value)).toEqual([40_000n, 50_000n, 20_000n - fee])
  expect(built().txid).toBe(id)
})

test('the fee is that of the weight, and never above what was approved', () => {
  const weight = 50 + 2 * 272 + 3 * 124
  expect(built().fee).toBe(feeFor(weight, sats(2000n)))
  expect(buildTransaction(ORDER, sats(ORDER.feeMax + 1n))).toEqual({ kind: 'too dear' })
  const poor = { ...ORDER, coins: ORDER.coins.slice(0, 1) }
  expect(buildTransaction(poor, ORDER.feeMax)).toEqual({ kind: 'too poor' })
})

test('the largest fee of the parts bounds the fee of the whole', () => {
  const rate = sats(7777n)
  const parts =
    feeFor(bareWeight(), rate) +
    2n * feeFor(inputWeight(script(0), null) ?? 0, rate) +
    2n * feeFor(outputWeight(22), rate)
  expect(built({ ...ORDER, feeMax: sats(20_000n) }, rate).fee).toBeLessThanOrEqual(parts)
})

test('coins that change their txid when signed are not ours to spend', () => {
  expect(
    inputWeight(Uint8Array.of(0x76, 0xa9, 20, ...new Uint8Array(20), 0x88, 0xac), null),
  ).toBeNull()
  expect(inputWeight(Uint8Array.of(0xa9, 20, ...new Uint8Array(20), 0x87), null)).toBeNull()
  expect(inputWeight(Uint8Array.of(0, 32, ...new Uint8Array(32)), null)).toBeNull()
})

test('a version whose first coin is not the anchor is neither built nor taken', () => {
  const turned = { ...ORDER, coins: ORDER.coins.toReversed() }
  expect(() => buildTransaction(turned, sats(1000n))).toThrow('the anchor')
  const { transaction } = built({ ...turned, anchor: coin(1, 50_000n) })
  expect(transactionComplaint(transaction.toBuffer(), turned)).toBe(
    'its first input is not the anchor',
  )
})

test('bytes that are the order have no complaint', () => {
  expect(transactionComplaint(built().transaction.toBuffer(), ORDER)).toBeNull()
})

const tampered: readonly [string, (transaction: Transaction) => void][] = [
  ['one output more', each => each.addOutput(script(7), 1n)],
  ['one input more', each => each.addInput(new Uint8Array(32), 0)],
  ['another amount', each => ((each.outs[0] ?? { value: 0n }).value = 40_001n)],
  ['another payee', each => ((each.outs[1] ?? { script: script(0) }).script = script(7))],
  ['change to a stranger', each => ((each.outs[2] ?? { script: script(0) }).script = script(7))],
  ['a fee above the approved', each => ((each.outs[2] ?? { value: 0n }).value = 17_999n)],
  ['more paid than spent', each => ((each.outs[2] ?? { value: 0n }).value = 20_001n)],
  ['another coin', each => ((each.ins[0] ?? { index: 0 }).index = 7)],
  ['payees in another order', each => each.outs.reverse()],
]
for (const [name, tamper] of tampered)
  test(`bytes with ${name} are refused`, () => {
    const { transaction } = built()
    tamper(transaction)
    expect(transactionComplaint(transaction.toBuffer(), ORDER)).toBeTypeOf('string')
  })

test('bytes that are no transaction are refused', () => {
  expect(transactionComplaint(new Uint8Array(5), ORDER)).toBeTypeOf('string')
})
