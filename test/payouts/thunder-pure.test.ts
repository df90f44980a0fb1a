import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex } from '../../src/lib/bytes.ts'
import { txid } from '../../src/lib/ids.ts'
import { type Sats, sats } from '../../src/lib/money.ts'
import { signedJson } from '../../src/lib/thunder/json.ts'
import {
  parseTransaction,
  type ThunderTransaction,
  transactionBytes,
} from '../../src/lib/thunder/transaction.ts'
import {
  type CoinFate,
  type Evidence,
  judgeCoins,
  judgeVersions,
  type MainPlace,
  readSubmitReply,
  stallOf,
  type VersionEvidence,
} from '../../src/payouts/rails/thunder/evidence.ts'
import { parseSigned, signedBytes, txidOf } from '../../src/payouts/rails/thunder/signed.ts'
import {
  buildTransaction,
  type Order,
  outpointOf,
  outputOf,
  paysAll,
  transactionComplaint,
} from '../../src/payouts/rails/thunder/transaction.ts'
import recorded from '../vectors/thunder/transactions.json' with { type: 'json' }
import { ownKey, signOrder, thunderAddressOf, thunderCoin, thunderOrder } from './thunder-order.ts'

const COINS = [thunderCoin(0, 5000n), thunderCoin(1, 9000n, 2)]
const ORDER = thunderOrder(COINS, 3)

function built(order: Order, fee: Sats = order.feeMax) {
  const outcome = buildTransaction(order, fee)
  if (outcome.kind !== 'built') throw new Error(outcome.kind)
  return outcome
}

describe('signed bytes', () => {
  for (const { label, borsh, txid: id, signed } of recorded.transactions)
    test(`of a recorded transaction are read again: ${label}`, () => {
      const { authorizations } = signedJson.parse(signed)
      const raw = signedBytes(fromHex(borsh), authorizations)
      expect(parseSigned(raw)).toMatchObject({ bytes: fromHex(borsh), authorizations })
      expect(txidOf(raw)).toBe(id)
    })

  test('are read only whole, and only in one way', () => {
    const raw = signOrder(built(ORDER).bytes, ORDER)
    for (let length = 0; length < raw.length; length += 7)
      expect(parseSigned(raw.subarray(0, length)), String(length)).toBeNull()
    expect(parseSigned(Uint8Array.of(...raw, 0))).toBeNull()
    const counts = Uint8Array.from(raw)
    counts[raw.length - 2 * 96 - 4] = 3
    expect(parseSigned(counts)).toBeNull()
  })

  test('whatever the bytes, reading them throws nothing', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), bytes => void parseSigned(bytes)))
  })
})

describe('a version', () => {
  test('pays each payee in order, the rest to us, and the same order is the same transaction', () => {
    const { bytes, txid: id } = built(ORDER, sats(50n))
    const { inputs, outputs } = parseTransaction(bytes) ?? { inputs: [], outputs: [] }
    expect(inputs.map(outpointOf)).toEqual(COINS.map(outpointOf))
    expect(outputs).toEqual([
      ...ORDER.payments,
      outputOf({ address: ownKey(1).address, value: sats(14_000n - 3003n - 50n) }),
    ])
    expect(built(ORDER, sats(50n))).toEqual({ kind: 'built', bytes, txid: id })
    expect(transactionComplaint(signOrder(bytes, ORDER), ORDER)).toBeNull()
  })

  test('is not built for more than was approved, nor without change', () => {
    expect(buildTransaction(ORDER, sats(101n))).toEqual({ kind: 'too dear' })
    const poor = thunderOrder([thunderCoin(0, 3103n)], 3)
    expect(buildTransaction(poor, sats(100n))).toEqual({ kind: 'too poor' })
    expect(buildTransaction(poor, sats(99n)).kind).toBe('built')
  })

  const honest = parseTransaction(built(ORDER).bytes)
  if (!honest) throw new Error('what was built can be read')
  const { inputs, outputs } = honest
  const bent: [string, Partial<ThunderTransaction>, string][] = [
    ['another first coin', { inputs: [...inputs].reverse() }, 'not the anchor'],
    ['a coin less', { inputs: inputs.slice(0, 1) }, 'reserved coins'],
    ['no payments', { outputs: outputs.slice(-1) }, 'not the payments'],
    ['payments in another order', { outputs: outputs.toReversed() }, 'not the payments'],
    ['a further output', { outputs: [...outputs, ...outputs.slice(-1)] }, 'not the payments'],
    [
      'change to a stranger',
      {
        outputs: [
          ...outputs.slice(0, -1),
          outputOf({ address: thunderAddressOf(9), value: sats(1n) }),
        ],
      },
      'change is not ours',
    ],
    [
      'a fee above',
      {
        outputs: [
          ...outputs.slice(0, -1),
          outputOf({ address: ownKey(1).address, value: sats(9n) }),
        ],
      },
      'more than was approved',
    ],
    [
      'a lie about a coin',
      { inputs: inputs.map(input => ({ ...input, utxoHash: new Uint8Array(32) })) },
      'something else of a coin',
    ],
  ]
  test.each(bent)('with %s is refused', (_, change, reason) => {
    const bytes = transactionBytes({ ...honest, ...change })
    const signers = change.inputs?.length === 1 ? { coins: COINS.slice(0, 1) } : ORDER
    expect(transactionComplaint(signOrder(bytes, signers), ORDER)).toContain(reason)
  })

  test('signed by others, or over other bytes, is refused', () => {
    const { bytes } = built(ORDER)
    const others = [thunderCoin(0, 5000n, 3), thunderCoin(1, 9000n, 3)]
    expect(transactionComplaint(signOrder(bytes, { coins: others }), ORDER)).toContain('key 0')
    const { authorizations } = parseSigned(signOrder(built(ORDER, sats(1n)).bytes, ORDER)) ?? {}
    const moved = signedBytes(bytes, authorizations ?? [])
    expect(transactionComplaint(moved, ORDER)).toContain('signature 0')
    expect(transactionComplaint(bytes, ORDER)).toContain('no transaction')
  })

  test('of 2,000 payees is built, hashed and checked', () => {
    const order = thunderOrder([thunderCoin(0, 10n ** 12n)], 2000)
    const { bytes } = built(order)
    expect(transactionComplaint(signOrder(bytes, order), order)).toBeNull()
  })

  test('is known by what it pays', () => {
    expect(paysAll([...outputs].reverse(), ORDER.payments)).toBe(true)
    expect(paysAll(outputs.slice(1), ORDER.payments)).toBe(false)
    expect(paysAll(outputs, [])).toBe(false)
  })
})

const [OURS, OTHER] = [txid('a'.repeat(64)), txid('b'.repeat(64))]
const ANCHOR = { txid: txid('c'.repeat(64)), vout: 0 }
const on = (confirmations: number): MainPlace => ({ kind: 'on chain', confirmations })
const off = (blocksOn: number, isParentThere = true): MainPlace => ({
  kind: 'off chain',
  ...{ isParentThere, blocksOn },
})
const version = (change: Partial<VersionEvidence> = {}): VersionEvidence => ({
  ...{ version: 1, txid: OURS, fee: sats(7n), isSigned: true, place: null, isInMempool: false },
  ...change,
})
const evidence = (change: Partial<Evidence> & { fate?: CoinFate } = {}): Evidence => ({
  versions: [version()],
  anchor: { coin: ANCHOR, fate: change.fate ?? { kind: 'unspent' } },
  others: [],
  stall: null,
  finality: 3,
  ...change,
})
const judge = (given: Evidence) => judgeVersions(given.versions, given) ?? judgeCoins(given)
const other = (fate: CoinFate) => ({ coin: { ...ANCHOR, vout: 1 }, fate })

describe('a batch is judged', () => {
  test.each<[string, Evidence, string]>([
    ['unspent anchor, nobody has it', evidence(), 'missing'],
    ['in the mempool', evidence({ versions: [version({ isInMempool: true })] }), 'waiting 0'],
    ['mined, not deep', evidence({ versions: [version({ place: on(2) })] }), 'waiting 2'],
    ['mined and deep', evidence({ versions: [version({ place: on(3) })] }), 'settled 1'],
    [
      'deep, its bytes not stored',
      evidence({ versions: [version({ place: on(3), isSigned: false })] }),
      'waiting 3',
    ],
    [
      'mined, its main block gone',
      evidence({ versions: [version({ place: off(0) })] }),
      'waiting 0',
    ],
    [
      'mined, its main block gone, stalled',
      evidence({ versions: [version({ place: off(1) })], stall: 'stalled' }),
      'unknown stalled',
    ],
    [
      'deep, though the tip stalls',
      evidence({ versions: [version({ place: on(3) })], stall: 'stalled' }),
      'settled 1',
    ],
    ['missing, stalled', evidence({ stall: 'stalled' }), 'unknown stalled'],
    [
      'beaten, not yet for good',
      evidence({ fate: { kind: 'spent', by: OTHER, place: on(2) } }),
      'unknown',
    ],
    [
      'beaten on a lost block',
      evidence({ fate: { kind: 'spent', by: OTHER, place: off(9) } }),
      'unknown',
    ],
    [
      'beaten, nobody knows where',
      evidence({ fate: { kind: 'spent', by: OTHER, place: null } }),
      'unknown',
    ],
    ['beaten for good', evidence({ fate: { kind: 'spent', by: OTHER, place: on(3) } }), 'dead'],
    ['mined long ago', evidence({ fate: { kind: 'spent', by: OURS, place: on(3) } }), 'settled 1'],
    ['mined just now', evidence({ fate: { kind: 'spent', by: OURS, place: null } }), 'unknown'],
    ['anchor undone', evidence({ fate: { kind: 'not there' } }), 'unknown'],
    ['anchor withdrawn', evidence({ fate: { kind: 'withdrawn' } }), 'unknown'],
    [
      'another coin beaten for good',
      evidence({ others: [other({ kind: 'spent', by: OTHER, place: on(99) })] }),
      'unknown',
    ],
  ])('%s', (_, given, expected) => {
    const outcome = judge(given)
    const detail = {
      settled: () => ('version' in outcome ? ` ${outcome.version}` : ''),
      waiting: () => ('confirmations' in outcome ? ` ${outcome.confirmations}` : ''),
      unknown: () => ('reason' in outcome ? ` ${outcome.reason}` : ''),
    }[outcome.kind as string]
    expect(`${outcome.kind}${detail?.() ?? ''}`).toContain(expected)
  })

  test('never as dead or settled while what decides is not as deep as a payment must be', () => {
    const places = fc.oneof(
      fc.integer({ min: 1, max: 2 }).map(on),
      fc.integer().map(n => off(n)),
    )
    const fates = fc.oneof(
      fc.constantFrom<CoinFate>({ kind: 'unspent' }, { kind: 'withdrawn' }, { kind: 'not there' }),
      places.map((place): CoinFate => ({ kind: 'spent', by: OTHER, place })),
    )
    const any = fc.record({ fate: fates, place: fc.option(places), isInMempool: fc.boolean() })
    fc.assert(
      fc.property(any, ({ fate, place, isInMempool }) => {
        const { kind } = judge(evidence({ fate, versions: [version({ place, isInMempool })] }))
        expect(['settled', 'dead']).not.toContain(kind)
      }),
    )
  })
})

test.each<[string, Parameters<typeof readSubmitReply>[0], string]>([
  ['our txid', { kind: 'txid', txid: OURS }, 'sent'],
  ['another txid', { kind: 'txid', txid: OTHER }, 'unknown'],
  [
    'the mempool has a spend',
    {
      kind: 'error',
      message: "node error: mempool error: can't add transaction, utxo double spent",
    },
    'look',
  ],
  [
    'a coin is not unspent',
    { kind: 'error', message: 'node error: state error: utreexo error (Could not find node)' },
    'look',
  ],
  [
    'a fault of ours',
    { kind: 'error', message: 'node error: state error: failed to verify authorization' },
    'unknown',
  ],
  ['no answer', { kind: 'no answer', message: 'timed out' }, 'unknown'],
])('a reply that says %s proves no more than that', (_, reply, kind) => {
  expect(readSubmitReply(reply, OURS).kind).toBe(kind)
})

test('a stall is told with what the operator does about it', () => {
  const hash = 'd'.repeat(64)
  const stall = (place: MainPlace) => stallOf({ hash, place })
  expect([stallOf(null), stall(on(1)), stall(off(-1)), stall(off(0))]).toEqual(Array(4).fill(null))
  expect(stall(off(1))).toContain(`sidepool thunder invalidate ${hash}`)
  expect([stall(off(1, false)), stall(off(6, false))]).toEqual([null, null])
  expect(stall(off(7, false))).toContain('sidepool thunder status')
})
