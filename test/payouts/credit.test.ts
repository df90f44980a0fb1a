import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Books,
  chartAccount,
  EMPTY_BOOKS,
  type Entry,
  postAll,
} from '../../src/ledger/index.ts'
import { epochId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import {
  blockEntries,
  epochEntries,
  type FateChange,
  rewardMethod,
  rewardStatement,
} from '../../src/payouts/index.ts'
import { blockOf, type LineOf, workBack } from './work.ts'

const at = unixMs(1000)
const booking = { at, float: chartAccount('l1Float'), bids: sats(0n) }
const first = { number: 1n, previous: null }
const feeBasisPoints = () => 200
const lines: readonly LineOf[] = [
  { account: 1n, work: 7n },
  { account: 2n, work: 4n },
  { account: 3n, work: 2n },
]

function statementOf(
  method: 'pplns' | 'solo' | 'pps',
  value = 320_731_457n,
  finder: bigint | null = 1n,
) {
  const work = workBack([{ networkWork: 1000n, lines }])
  const block = method === 'pps' ? null : blockOf(1, finder, value)
  return rewardStatement(
    {
      network: 'regtest',
      method: rewardMethod(method === 'pplns' ? { method, window: 2 } : { method }),
      basis: block
        ? { kind: 'block', hash: block.hash, height: block.height, paid: block.paid }
        : { kind: 'epoch', epoch: epochId(1n) },
      input: { rewardPool: 'main', work, block, feeBasisPoints },
    },
    first,
  )
}

function changeOf(fate: FateChange['fate'], seq: number, value = 320_731_457n): FateChange {
  const { hash, height } = blockOf(1, 1n)
  return { id: BigInt(seq), block: hash, seq, fate, epoch: epochId(1n), height, value: sats(value) }
}

function balancesAfter(entries: readonly Entry[], books: Books = EMPTY_BOOKS) {
  const after = postAll(books, entries)
  expect(after.outcomes.map(outcome => outcome.kind)).toEqual(entries.map(() => 'posted'))
  const held = [...after.books.balances].filter(([, amount]) => amount !== 0n)
  return { held: Object.fromEntries(held), books: after.books }
}

test('a found block is divided at once but owed only when it is mature', () => {
  const statement = statementOf('pplns')
  const found = balancesAfter(blockEntries(changeOf('found', 1), statement, booking))
  // 320,731,457,000 msat less 2 %, by 7 : 4 : 2.
  expect(found.held).toEqual({
    'asset:coinbase_immature': 320_731_457_000n,
    'miner:1:pending': -169_247_522_694n,
    'miner:2:pending': -96_712_870_111n,
    'miner:3:pending': -48_356_435_055n,
    'liability:pool_fee_pending': -6_414_629_140n,
  })
  const mature = balancesAfter(blockEntries(changeOf('mature', 2), statement, booking), found.books)
  expect(mature.held).toEqual({
    'asset:l1': 320_731_457_000n,
    'miner:1:payable': -169_247_522_694n,
    'miner:2:payable': -96_712_870_111n,
    'miner:3:payable': -48_356_435_055n,
    'income:pool_fee': -6_414_629_140n,
  })
})

test('an orphaned block leaves nothing, and one found again is booked under new keys', () => {
  const statement = statementOf('pplns')
  const found = balancesAfter(blockEntries(changeOf('found', 1), statement, booking))
  const gone = balancesAfter(blockEntries(changeOf('orphaned', 2), statement, booking), found.books)
  expect(gone.held).toEqual({})
  const again = balancesAfter(blockEntries(changeOf('found', 3), statement, booking), gone.books)
  expect(again.held).toEqual(found.held)
})

test('keys are made of the block or the statement, and of which change it was', () => {
  const { hash } = blockOf(1, 1n)
  const keys = blockEntries(changeOf('orphaned', 2), statementOf('pplns'), booking).map(
    ({ key }) => key,
  )
  expect(keys).toEqual(['credit:1:2', `block:${hash}:2`])
  expect(epochEntries(statementOf('pps'), at).map(({ key }) => key)).toEqual(['credit:1:1'])
})

test("work paid at once is owed at once and is the pool's cost; its fee moves nothing", () => {
  const { held } = balancesAfter(epochEntries(statementOf('pps'), at))
  expect(held).toEqual({
    'expense:pps_cost': 3_981_250_000n,
    'miner:1:payable': -2_143_750_000n,
    'miner:2:payable': -1_225_000_000n,
    'miner:3:payable': -612_500_000n,
  })
})

test('a block of a pool that pays epochs is income, reversed by an orphan', () => {
  const found = balancesAfter(blockEntries(changeOf('found', 1), null, booking))
  expect(found.held).toEqual({
    'asset:coinbase_immature': 320_731_457_000n,
    'income:pps_block_income': -320_731_457_000n,
  })
  const gone = balancesAfter(blockEntries(changeOf('orphaned', 2), null, booking), found.books)
  expect(gone.held).toEqual({})
  const mature = balancesAfter(blockEntries(changeOf('mature', 2), null, booking), found.books)
  expect(mature.held).toEqual({
    'asset:l1': 320_731_457_000n,
    'income:pps_block_income': -320_731_457_000n,
  })
})

test('what bids for side blocks paid of such a block is income of its own, whatever its fate', () => {
  const withBids = { ...booking, bids: sats(700n) }
  const found = balancesAfter(blockEntries(changeOf('found', 1), null, withBids))
  expect(found.held).toEqual({
    'asset:coinbase_immature': 320_731_457_000n,
    'income:pps_block_income': -320_730_757_000n,
    'income:bmm_bids': -700_000n,
  })
  const gone = balancesAfter(blockEntries(changeOf('orphaned', 2), null, withBids), found.books)
  expect(gone.held).toEqual({})
  expect(() =>
    blockEntries(changeOf('found', 1), null, { ...booking, bids: sats(320_731_458n) }),
  ).toThrow('bids are fees')
})

test('a block that is divided is divided with its bids, which are fees of it', () => {
  const change = changeOf('found', 1)
  const entries = blockEntries(change, statementOf('pplns'), { ...booking, bids: sats(700n) })
  expect(entries).toEqual(blockEntries(change, statementOf('pplns'), booking))
})

test("a block without a known finder is the pool's own, and a block without value moves nothing", () => {
  const ours = balancesAfter(
    blockEntries(changeOf('found', 1), statementOf('solo', 320_731_457n, null), booking),
  )
  expect(ours.held).toEqual({
    'asset:coinbase_immature': 320_731_457_000n,
    'liability:pool_fee_pending': -320_731_457_000n,
  })
  expect(blockEntries(changeOf('found', 1, 0n), statementOf('pplns', 0n), booking)).toEqual([])
})

test('a block never divides by the statement of another value', () => {
  expect(() => blockEntries(changeOf('found', 1, 1n), statementOf('pplns'), booking)).toThrow()
})

test('whatever way a block goes, books balance and miners are owed their lines or nothing', () => {
  const ways = fc.record({
    value: fc.bigInt({ min: 1n, max: 10n ** 10n }),
    orphans: fc.integer({ min: 0, max: 3 }),
    last: fc.constantFrom('mature' as const, 'orphaned' as const),
  })
  fc.assert(
    fc.property(ways, ({ value, orphans, last }) => {
      const statement = statementOf('pplns', value)
      const there = Array.from({ length: orphans }, () => ['found', 'orphaned'] as const).flat()
      const fates = [...there, 'found' as const, last]
      const entries = fates.flatMap((fate, index) =>
        blockEntries(changeOf(fate, index + 1, value), statement, booking),
      )
      const { held } = balancesAfter(entries)
      for (const { account, amount } of statement.lines)
        expect(held[`miner:${account}:payable`]).toBe(last === 'mature' ? -amount : undefined)
      if (last === 'orphaned') expect(held).toEqual({})
    }),
  )
})

test('the fee of every scheme that worked is stated, so that a reward can be made again', () => {
  const work = workBack([
    {
      networkWork: 1000n,
      lines: [
        { account: 1n, work: 5n, scheme: 'cheap' },
        { account: 2n, work: 5n, scheme: 'all' },
        { account: 3n, work: 5n, scheme: 'stranger', rewardPool: 'other' },
      ],
    },
  ])
  const block = blockOf(1, 1n)
  const statement = rewardStatement(
    {
      network: 'regtest',
      method: rewardMethod({ method: 'pplns', window: 2 }),
      basis: { kind: 'block', hash: block.hash, height: block.height, paid: block.paid },
      input: {
        rewardPool: 'main',
        work,
        block,
        feeBasisPoints: scheme => (scheme === 'all' ? 10_000 : 50),
      },
    },
    first,
  )
  expect(statement.feeBasisPoints).toEqual({ cheap: 50, all: 10_000 })
  expect(statement.lines.map(line => [line.payee, line.scheme])).toEqual([['payee-1', 'cheap']])
})
