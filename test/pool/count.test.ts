import fc from 'fast-check'
import { expect, test } from 'vitest'
import { accountId, blockHash, epochId, unixMs, workerId } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { countWork, countWorkers, type EpochContents } from '../../src/pool/count.ts'
import { checkWork, encodeWork, REJECT_REASONS, verifyWork } from '../../src/statement/index.ts'

const ACCOUNTS = 12n
const account = fc.bigInt({ min: 1n, max: ACCOUNTS }).map(accountId)
const accounts = Array.from({ length: Number(ACCOUNTS) }, (_, index) => ({
  account: accountId(BigInt(index + 1)),
  payee: `payee-${index + 1}`,
  scheme: `scheme-${index % 4}`,
}))
const share = fc
  .record({
    account,
    number: fc.bigInt({ min: 0n, max: 2n }),
    height: fc.integer({ min: 100, max: 103 }),
    difficultyLog2: fc.integer({ min: -33, max: 60 }),
    shares: fc.bigInt({ min: 1n, max: 1000n }),
  })
  .map(({ number, ...rest }) => ({ ...rest, worker: workerId(rest.account * 10n + number) }))
const reject = fc.record({
  account,
  reason: fc.constantFrom(...REJECT_REASONS),
  count: fc.bigInt({ min: 1n, max: 1000n }),
})
const block = fc.record({
  hash: fc.stringMatching(/^[0-9a-f]{64}$/).map(blockHash),
  height: fc.nat(1000),
  scheme: fc.constantFrom('scheme-0', 'scheme-3', 'unknown'),
  finder: fc.option(account),
  value: fc.bigInt({ min: 0n, max: 10n ** 10n }).map(sats),
  paid: fc.constant(null),
})
const contents = fc
  .record({
    shares: fc.array(share, { maxLength: 30 }),
    rejects: fc.array(reject, { maxLength: 10 }),
    blocks: fc.uniqueArray(block, { selector: each => each.hash, maxLength: 3 }),
  })
  .map((each): EpochContents & { shares: typeof each.shares } => ({
    ...each,
    accounts,
    network: 'regtest',
    epoch: {
      id: epochId(1n),
      openedAt: unixMs(1),
      closedAt: unixMs(2),
      closeReason: 'time',
      blockTarget: 2n ** 200n,
      subsidy: sats(5n),
    },
    // Two schemes in one reward pool.
    rewardPoolOf: scheme => (scheme === 'scheme-3' ? 'scheme-0' : scheme),
    previous: null,
  }))

test('an epoch counted from its shares keeps every rule and stands up to a recount', () =>
  fc.assert(
    fc.property(contents, each => {
      const statement = countWork(each)
      expect(checkWork(statement)).toEqual([])
      expect(verifyWork(statement, each.shares)).toEqual([])
    }),
  ))

test('the order and the grouping of shares, rejects, accounts and blocks change not one byte', () =>
  fc.assert(
    fc.property(contents, each => {
      const singly = each.shares.flatMap(row =>
        row.shares > 1n
          ? [
              { ...row, shares: row.shares - 1n },
              { ...row, shares: 1n },
            ]
          : [row],
      )
      const turned = {
        ...each,
        shares: singly.reverse(),
        rejects: [...each.rejects].reverse(),
        accounts: [...each.accounts].reverse(),
        blocks: [...each.blocks].reverse(),
      }
      expect(encodeWork(countWork(turned))).toEqual(encodeWork(countWork(each)))
    }),
  ))

test('workers and pools add up to what the accounts have', () =>
  fc.assert(
    fc.property(contents, each => {
      const statement = countWork(each)
      const sum = (rows: readonly { work: bigint }[]) =>
        rows.reduce((all, row) => all + row.work, 0n)
      expect(sum(countWorkers(each.shares))).toBe(sum(statement.lines))
      expect(sum(statement.pools)).toBe(sum(statement.lines))
      for (const { account: id, rejects } of statement.lines)
        for (const [reason, count] of Object.entries(rejects)) {
          const own = each.rejects.filter(row => row.account === id && row.reason === reason)
          expect(count).toBe(own.reduce((all, row) => all + row.count, 0n))
        }
    }),
  ))

test('a worker has one row a height, whatever its difficulties', () =>
  fc.assert(
    fc.property(contents, ({ shares }) => {
      const rows = countWorkers(shares)
      const keys = rows.map(row => `${row.height} ${row.worker}`)
      expect(new Set(keys).size).toBe(keys.length)
    }),
  ))

test('a share of difficulty 1 counts 4,295,032,833 hashes', () => {
  const row = { account: accountId(1n), worker: workerId(1n), height: 1 }
  const [worked] = countWorkers([{ ...row, difficultyLog2: 0, shares: 1n }])
  expect(worked?.work).toBe(4_295_032_833n)
})
