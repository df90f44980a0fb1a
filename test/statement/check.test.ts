import fc from 'fast-check'
import { expect, test } from 'vitest'
import { accountId, digest, epochId, unixMs } from '../../src/lib/ids.ts'
import { millisats } from '../../src/lib/money.ts'
import {
  checkReward,
  checkRewardLink,
  checkRewardSources,
  checkWork,
  checkWorkLink,
  encodeWork,
  hashStatement,
  type RewardStatement,
  tallyShares,
  type UsedWork,
  verifyWork,
  type WorkStatement,
} from '../../src/statement/index.ts'
import { countedShares, rewardStatement, workWithShares } from './arbitrary.ts'

test('a statement counted from shares keeps every rule and stands up to a recount', () =>
  fc.assert(
    fc.property(workWithShares, ({ statement, rows }) => {
      expect(checkWork(statement)).toEqual([])
      expect(verifyWork(statement, rows)).toEqual([])
    }),
  ))

test('shares in any order and any grouping add up to the same tallies', () =>
  fc.assert(
    fc.property(countedShares, fc.infiniteStream(fc.nat(1000)), (rows, chance) => {
      const split = rows.flatMap(row =>
        row.shares > 1n
          ? [
              { ...row, shares: 1n },
              { ...row, shares: row.shares - 1n },
            ]
          : [row],
      )
      const shuffled = split
        .map(row => ({ row, key: chance.next().value }))
        .sort((a, b) => a.key - b.key)
        .map(({ row }) => row)
      expect(new Map(tallyShares(shuffled))).toEqual(new Map(tallyShares(rows)))
    }),
  ))

test('one share more, or less, or of another account fails the recount', () =>
  fc.assert(
    fc.property(
      workWithShares.filter(({ rows }) => rows.length > 0),
      fc.nat(),
      ({ statement, rows }, which) => {
        const row = rows[which % rows.length]
        if (row === undefined) return
        const one = { ...row, shares: 1n }
        expect(verifyWork(statement, [...rows, one])).not.toEqual([])
        expect(verifyWork(statement, [...rows, { ...one, account: accountId(99n) }])).toContain(
          'account 99: left out',
        )
        const fewer = rows.map(each =>
          each === row ? { ...each, shares: each.shares - 1n } : each,
        )
        expect(verifyWork(statement, fewer)).not.toEqual([])
      },
    ),
  ))

const [sample] = fc.sample(
  workWithShares.filter(({ statement: { lines, pools, epoch, blocks } }) => {
    return lines.length > 2 && pools.length > 1 && epoch === 2n && blocks.length === 1
  }),
  { numRuns: 1, seed: 7 },
)
if (!sample) throw new Error('no sample')
const good = sample.statement
const [first, second] = good.lines
if (!first || !second) throw new Error('no lines')

const BROKEN_WORK: readonly (readonly [string, Partial<WorkStatement>])[] = [
  ['lines in another order', { lines: [...good.lines].reverse() }],
  ['an account twice', { lines: [first, ...good.lines] }],
  ['a line left out', { lines: good.lines.slice(1) }],
  [
    'a line with more work',
    { lines: [{ ...first, work: first.work + 1n }, ...good.lines.slice(1)] },
  ],
  ['work without shares', { lines: [{ ...first, shares: 0n }, ...good.lines.slice(1)] }],
  ['a pool left out', { pools: good.pools.slice(1) }],
  ['pools in another order', { pools: [...good.pools].reverse() }],
  ['a pool without lines', { pools: [...good.pools, { rewardPool: 'z', shares: 0n, work: 0n }] }],
  ['a block twice', { blocks: [...good.blocks, ...good.blocks] }],
  ['a block as reason and none listed', { blocks: [], closeReason: 'block' }],
  ['another network work', { networkWork: good.networkWork + 1n }],
  ['no link though it is not the first', { previous: null }],
  ['a link though it is the first', { epoch: epochId(1n) }],
]
for (const [what, change] of BROKEN_WORK)
  test(`a work statement with ${what} is complained about`, () =>
    expect(checkWork({ ...good, ...change })).not.toEqual([]))

test('an epoch that closes before it opens is complained about', () => {
  const { openedAt } = good
  const backwards = { ...good, openedAt: unixMs(openedAt + 1), closedAt: openedAt }
  expect(checkWork(backwards)).toEqual(['closedAtMs: before openedAtMs'])
})

test('a work statement links to the one before by epoch, time, network and hash', () => {
  const hash = hashStatement(encodeWork(good))
  const next = { ...good, epoch: epochId(3n), openedAt: good.closedAt, previous: hash }
  const before = { statement: good, hash }
  expect(checkWorkLink(next, before)).toEqual([])
  expect(checkWorkLink({ ...next, previous: digest('0'.repeat(64)) }, before)).toHaveLength(1)
  expect(checkWorkLink({ ...next, epoch: epochId(4n) }, before)).toHaveLength(1)
  expect(checkWorkLink({ ...next, openedAt: unixMs(good.closedAt + 1) }, before)).toHaveLength(1)
  expect(checkWorkLink({ ...next, network: 'elsewhere' }, before)).toHaveLength(1)
  expect(checkWorkLink(next, null)).toHaveLength(2)
})

test('every reward statement that keeps the rules is found to keep them', () =>
  fc.assert(
    fc.property(rewardStatement, reward => {
      expect(checkReward(reward)).toEqual([])
    }),
  ))

test('a reward statement with one millisat more anywhere is complained about', () =>
  fc.assert(
    fc.property(rewardStatement, reward => {
      expect(checkReward({ ...reward, total: millisats(reward.total + 1n) })).not.toEqual([])
      expect(checkReward({ ...reward, fee: millisats(reward.fee + 1n) })).not.toEqual([])
      expect(checkReward({ ...reward, remainder: millisats(reward.remainder + 1n) })).toHaveLength(
        1,
      )
      const lines = reward.lines.map((line, index) =>
        index === 0 ? { ...line, amount: millisats(line.amount + 1n) } : line,
      )
      if (lines.length > 0) expect(checkReward({ ...reward, lines })).not.toEqual([])
    }),
  ))

const [reward] = fc.sample(
  rewardStatement.filter(({ lines, work, number }) => {
    return lines.length > 2 && work.length > 2 && number === 2n
  }),
  { numRuns: 1, seed: 7 },
)
if (!reward) throw new Error('no sample')

const withOldest = (change: Partial<UsedWork>) =>
  reward.work.map((used, index, all) => (index === all.length - 1 ? { ...used, ...change } : used))

const BROKEN_REWARD: readonly (readonly [string, Partial<RewardStatement>])[] = [
  ['lines in another order', { lines: [...reward.lines].reverse() }],
  ['a gap in its work', { work: reward.work.filter((_, index) => index !== 1) }],
  ['its work oldest first', { work: [...reward.work].reverse() }],
  ['more than a whole', { work: withOldest({ numerator: 4n }) }],
  ['nothing of an epoch', { work: withOldest({ numerator: 0n }) }],
  ['a newer epoch in part', { work: reward.work.map(used => ({ ...used, denominator: 2n })) }],
  ['a fee unnamed', { feeBasisPoints: {} }],
  ['no link though it is not the first', { previous: null }],
  ['an epoch as basis but others as work', { basis: { kind: 'epoch', epoch: epochId(1n) } }],
]
for (const [what, change] of BROKEN_REWARD)
  test(`a reward statement with ${what} is complained about`, () =>
    expect(checkReward({ ...reward, ...change })).not.toEqual([]))

test('a negative amount is complained about though the sum is right', () => {
  const { fee, remainder } = reward
  const moved = millisats(fee + remainder + 1n)
  expect(checkReward({ ...reward, fee: moved, remainder: millisats(-1n) })).toEqual([
    'an amount is negative',
  ])
})

test('a reward statement links to the one before by number, network and hash', () => {
  const before = { statement: reward, hash: digest('1'.repeat(64)) }
  const next = { ...reward, number: 3n, previous: before.hash }
  expect(checkRewardLink(next, before)).toEqual([])
  expect(checkRewardLink({ ...next, number: 4n }, before)).toHaveLength(1)
  expect(checkRewardLink({ ...next, network: 'elsewhere' }, before)).toHaveLength(1)
  expect(checkRewardLink({ ...next, previous: null }, before)).toHaveLength(1)
})

test('a reward statement is held against the work statements that it names', () => {
  const hash = hashStatement(encodeWork(good))
  const [block] = good.blocks
  if (!block) throw new Error('no block')
  const used = { epoch: good.epoch, hash, numerator: 1n, denominator: 1n }
  const { height, paid } = block
  const basis = { kind: 'block', hash: block.hash, height, paid } as const
  const own = { ...reward, basis, work: [used] }
  expect(checkRewardSources(own, [{ statement: good, hash }])).toEqual([])
  expect(checkRewardSources(own, [])).not.toEqual([])
  const other = digest('2'.repeat(64))
  expect(checkRewardSources(own, [{ statement: good, hash: other }])).toHaveLength(1)
  expect(
    checkRewardSources(
      {
        ...own,
        basis: { ...basis, hash: reward.basis.kind === 'block' ? reward.basis.hash : block.hash },
      },
      [{ statement: good, hash }],
    ),
  ).toHaveLength(1)
  const wrong = { ...good, pools: [] }
  expect(checkRewardSources(own, [{ statement: wrong, hash }])).not.toEqual([])
})
