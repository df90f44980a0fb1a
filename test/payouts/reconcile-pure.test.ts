import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Wallet } from '../../src/lib/db/schema.ts'
import { journalKey, txid } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { classifyOutput, leftToUs, type NotedCoin } from '../../src/payouts/rails/l1/coins.ts'
import {
  type BatchOnItsWay,
  judgeWallet,
  onTheWay,
  type WalletFacts,
} from '../../src/payouts/reconcile.ts'

const id = (n: number) => txid(n.toString(16).padStart(64, '0'))
const script = Uint8Array.of(0, 20, ...new Uint8Array(20))
const other = Uint8Array.of(0, 20, ...new Uint8Array(20).fill(1))

const noted = (n: number, value: bigint, wallet: Wallet = 'hot'): NotedCoin => ({
  ...{ txid: id(n), vout: 0, value: sats(value), script, wallet },
  origin: 'capital',
  journalKey: journalKey(`capital:${n}`),
})

const facts = (change: Partial<WalletFacts> = {}): WalletFacts => ({
  wallet: 'hot',
  ledger: millisats(5_000_000n),
  open: [noted(1, 5000n)],
  ...{ batches: [], blocks: [], fates: [], strangers: [], inflight: [] },
  versions: new Set(),
  ...change,
})

const agrees = { kind: 'agrees' }
const stray = { coin: noted(1, 5000n), fate: { kind: 'spent' as const, by: id(9) } }
const block = { journalKey: 'block:b:2', wallet: 'hot' as const, value: sats(7n), depth: 100 }
const cases: [string, Partial<WalletFacts>, unknown][] = [
  ['a coin for each satoshi', {}, agrees],
  ['a coin that a version spends', { fates: [stray], versions: new Set([id(9)]) }, agrees],
  ['a coin that nothing of ours spends', { fates: [stray] }, /capital:1, is spent by 0+9/],
  [
    'a coin that is gone',
    { fates: [{ ...stray, fate: { kind: 'gone' } }] },
    /0+1:0, booked by capital:1, is gone/,
  ],
  [
    'a coin that is unconfirmed again',
    { fates: [{ ...stray, fate: { kind: 'unconfirmed' } }] },
    { kind: 'waits', reason: `${id(1)}:0 is unconfirmed again` },
  ],
  [
    'a stranger that spends a coin of ours',
    { strangers: [{ txid: id(8), spends: [{ txid: id(1), vout: 0 }] }] },
    /capital:1, is spent by 0+8/,
  ],
  ['a stranger whose coin is unknown', { strangers: [{ txid: id(8), spends: [] }] }, /0+8 spends/],
  ['a millisatoshi too much', { ledger: millisats(5_000_001n) }, /1 msat more than the coins/],
  ['a millisatoshi too little', { ledger: millisats(4_999_999n) }, /1 msat less than the coins/],
  ['a block not shown yet', { blocks: [block], ledger: millisats(5_007_000n) }, agrees],
  [
    'a block that is never shown',
    { blocks: [{ ...block, depth: 110 }], ledger: millisats(5_007_000n) },
    /block:b:2 is mature/,
  ],
  ['what the ledger says of inflight', { inflight: ['account 3: odd'] }, /account 3: odd/],
]
for (const [name, change, want] of cases)
  test(`${name} is judged`, () => {
    const verdict = judgeWallet(facts(change))
    if (want instanceof RegExp)
      expect(verdict).toMatchObject({ kind: 'finding', finding: expect.stringMatching(want) })
    else expect(verdict).toEqual(want)
  })

/** What is done to the wallets, one after the other. */
type Step =
  | { readonly kind: 'receive'; readonly wallet: Wallet; readonly value: bigint }
  | {
      readonly kind: 'send'
      readonly wallet: Wallet
      readonly isTransfer: boolean
      readonly total: bigint
      readonly fee: bigint
    }
  | { readonly kind: 'settle' | 'fold'; readonly which: number }

const wallets = fc.constantFrom<Wallet>('hot', 'cold')
const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('receive' as const),
      wallet: wallets,
      value: fc.bigInt(1n, 9999n),
    }),
    fc.record({
      kind: fc.constant('send' as const),
      wallet: wallets,
      isTransfer: fc.boolean(),
      total: fc.bigInt(0n, 5000n),
      fee: fc.bigInt(1n, 500n),
    }),
    fc.record({ kind: fc.constantFrom('settle' as const, 'fold' as const), which: fc.nat(9) }),
  ),
  { maxLength: 40 },
)

type Live = BatchOnItsWay & { readonly coins: readonly bigint[] }

/** Books as they are kept: the ledger moves at send and settle, coins only when a batch is folded. */
function books() {
  const ledger = { hot: 0n, cold: 0n }
  const open: Record<Wallet, bigint[]> = { hot: [], cold: [] }
  let live: Live[] = []
  const pick = (which: number, isSettled: boolean) => {
    const some = live.filter(batch => batch.isSettled === isSettled)
    return some[which % Math.max(some.length, 1)]
  }
  const done = (step: Step) => {
    if (step.kind === 'receive') {
      ledger[step.wallet] += step.value
      open[step.wallet].push(step.value)
    } else if (step.kind === 'send') {
      const held = live.filter(({ wallet }) => wallet === step.wallet).flatMap(each => each.coins)
      const free = open[step.wallet].slice()
      for (const coin of held) free.splice(free.indexOf(coin), 1)
      if (free.reduce((a, b) => a + b, 0n) < step.total + step.fee) return
      ledger[step.wallet] -= step.total + step.fee
      const { wallet, isTransfer } = step
      const amounts = { total: sats(step.total), fee: sats(step.fee) }
      live.push({ wallet, isTransfer, ...amounts, isSettled: false, coins: free })
    } else if (step.kind === 'settle') {
      const batch = pick(step.which, false)
      if (!batch) return
      if (batch.isTransfer) ledger[batch.wallet === 'hot' ? 'cold' : 'hot'] += batch.total
      live = live.map(each => (each === batch ? { ...each, isSettled: true } : each))
    } else {
      const batch = pick(step.which, true)
      if (!batch) return
      const { wallet, coins, total, fee, isTransfer } = batch
      for (const coin of coins) open[wallet].splice(open[wallet].indexOf(coin), 1)
      open[wallet].push(coins.reduce((a, b) => a + b, 0n) - total - fee)
      if (isTransfer) open[wallet === 'hot' ? 'cold' : 'hot'].push(total)
      live = live.filter(each => each !== batch)
    }
  }
  return { ledger, open, live: () => live, done }
}

test('whatever sequence of batches, the ledger is the coins and what is on its way', () => {
  fc.assert(
    fc.property(steps, sequence => {
      const now = books()
      for (const step of sequence) {
        now.done(step)
        for (const wallet of ['hot', 'cold'] as const) {
          const coins = now.open[wallet].reduce((a, b) => a + b, 0n)
          const way = onTheWay(wallet, { batches: now.live(), blocks: [] })
          expect(now.ledger[wallet]).toBe(coins + way)
        }
      }
    }),
  )
})

test('a transfer leaves its change here and its payment in the other wallet', () => {
  const outputs = [
    { txid: id(1), vout: 0, value: sats(700n), script: other },
    { txid: id(1), vout: 1, value: sats(200n), script },
  ]
  const effect = { txid: id(1), spends: [], outputs }
  const scripts = { wallet: 'cold' as const, changeScript: script, transferScript: other }
  expect(leftToUs(effect, scripts)).toMatchObject([
    { wallet: 'cold', origin: 'change', vout: 1, value: 200n },
    { wallet: 'hot', origin: 'transfer', vout: 0, value: 700n },
  ])
  expect(leftToUs(effect, { ...scripts, transferScript: null })).toHaveLength(1)
})

test('only what the books know is ours', () => {
  const output = noted(5, 100n)
  const of = (change: object) =>
    classifyOutput(output, {
      ...{ wallet: 'hot', isNoted: false, isOnItsWay: false, block: null },
      ...change,
    }).kind
  const booked = { journalKey: journalKey('block:b:2'), wallet: 'hot', value: sats(100n) }
  expect(of({ isNoted: true })).toBe('noted')
  expect(of({ block: booked })).toBe('to note')
  expect(of({ block: { ...booked, wallet: 'cold' } })).toBe('foreign')
  expect(of({ block: { ...booked, value: sats(101n) } })).toBe('foreign')
  expect(of({ block: 'not mature in our books' })).toBe('on its way')
  expect(of({ isOnItsWay: true })).toBe('on its way')
  expect(of({})).toBe('foreign')
})
