import fc from 'fast-check'
import { targetHex, workFromTarget } from '../../src/lib/bitcoin/target.ts'
import { accountId, blockHash, digest, epochId, unixMs } from '../../src/lib/ids.ts'
import { millisats, type Sats, sats } from '../../src/lib/money.ts'
import type {
  BlockFound,
  CountedShares,
  RewardStatement,
  WorkLine,
  WorkStatement,
} from '../../src/statement/index.ts'
import { coinbaseFee, REJECT_REASONS, tallyShares } from '../../src/statement/index.ts'

const hex64 = fc.stringMatching(/^[0-9a-f]{64}$/)
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,5}$/)
const payee = fc.stringMatching(/^[\x21-\x7e]{1,20}$/)
const positive = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n })
const account = fc.bigInt({ min: 1n, max: 40n }).map(accountId)
const amount = fc.bigInt({ min: 0n, max: 10n ** 12n })

/** Shares of up to forty accounts, as an epoch's shares are counted. */
export const countedShares: fc.Arbitrary<CountedShares[]> = fc.array(
  fc.record({
    account,
    difficultyLog2: fc.integer({ min: -33, max: 60 }),
    shares: fc.bigInt({ min: 1n, max: 10n ** 6n }),
  }),
  { maxLength: 30 },
)

/** The reward pool of an account, the same wherever it occurs. */
const poolOf = (id: bigint) => `pool-${id % 3n}`

function linesOf(
  rows: readonly CountedShares[],
  payees: readonly string[],
  rejects: WorkLine['rejects'],
): WorkLine[] {
  return [...tallyShares(rows)]
    .map(([id, tally]) => ({
      account: id,
      payee: payees[Number(id % BigInt(payees.length))] ?? 'somebody',
      scheme: 'pplns',
      rewardPool: poolOf(id),
      ...tally,
      rejects: id % 2n === 0n ? rejects : {},
    }))
    .sort((a, b) => (a.account < b.account ? -1 : 1))
}

function poolsOf(lines: readonly WorkLine[]): WorkStatement['pools'] {
  return [...new Set(lines.map(line => line.rewardPool))].sort().map(rewardPool => {
    const own = lines.filter(line => line.rewardPool === rewardPool)
    return {
      rewardPool,
      shares: own.reduce((sum, line) => sum + line.shares, 0n),
      work: own.reduce((sum, line) => sum + line.work, 0n),
    }
  })
}

const rejects = fc.dictionary(fc.constantFrom(...REJECT_REASONS), positive, {
  noNullPrototype: true,
})

/** A work statement that keeps every rule, with the shares that it counts. */
export const workWithShares: fc.Arbitrary<{ statement: WorkStatement; rows: CountedShares[] }> = fc
  .record({
    rows: countedShares,
    payees: fc.array(payee, { minLength: 1, maxLength: 5 }),
    rejects,
    network: name,
    epoch: fc.bigInt({ min: 1n, max: 3n }),
    openedAt: fc.nat().map(unixMs),
    lengthMs: fc.nat(),
    target: fc.bigInt({ min: 2n ** 130n, max: 2n ** 256n - 1n }),
    subsidy: amount.map(sats),
    block: fc.record({
      hash: hex64.map(blockHash),
      height: fc.nat(),
      rewardPool: name,
      finder: fc.option(account),
      value: amount.map(sats),
      whole: amount.map(sats),
      feeBasisPoints: fc.option(fc.integer({ min: 0, max: 9999 })),
      payee,
    }),
    hasBlock: fc.boolean(),
    previous: hex64.map(digest),
  })
  .map(({ rows, payees, rejects: refused, hasBlock, block, ...rest }) => {
    const lines = linesOf(rows, payees, refused)
    const statement: WorkStatement = {
      version: 1,
      network: rest.network,
      epoch: epochId(rest.epoch),
      openedAt: rest.openedAt,
      closedAt: unixMs(rest.openedAt + rest.lengthMs),
      closeReason: hasBlock ? 'block' : 'time',
      blockTarget: targetHex(rest.target),
      networkWork: workFromTarget(rest.target),
      subsidy: rest.subsidy,
      lines,
      pools: poolsOf(lines),
      blocks: hasBlock ? [blockOf(block, lines)] : [],
      previous: rest.epoch === 1n ? null : rest.previous,
      sharesRoot: null,
      signature: null,
    }
    return { statement, rows }
  })

/** A block whose coinbase pays the pool, or its finder and the pool its fee. */
function blockOf(
  block: Omit<BlockFound, 'paid'> & {
    readonly whole: Sats
    readonly feeBasisPoints: number | null
    readonly payee: string
  },
  lines: readonly WorkLine[],
): BlockFound {
  const { whole, feeBasisPoints, payee: unknown, ...rest } = block
  if (feeBasisPoints === null || rest.finder === null) return { ...rest, paid: null }
  const whose = lines.find(({ account: id }) => id === rest.finder)?.payee ?? unknown
  const value = coinbaseFee(whole, feeBasisPoints)
  const paid = { payee: whose, amount: sats(whole - value), feeBasisPoints }
  return { ...rest, value, paid }
}

/** A reward statement that keeps every rule. */
export const rewardStatement: fc.Arbitrary<RewardStatement> = fc
  .record({
    network: name,
    number: fc.bigInt({ min: 1n, max: 3n }),
    rewardPool: name,
    method: name,
    parameters: fc.dictionary(
      fc.stringMatching(/^[a-z][A-Za-z]{0,5}$/),
      fc.stringMatching(/^[0-9]{1,5}$/),
      { maxKeys: 3, noNullPrototype: true },
    ),
    block: fc.record({
      hash: hex64.map(blockHash),
      height: fc.nat(),
      paid: fc.option(
        fc.record({
          payee,
          amount: amount.map(sats),
          feeBasisPoints: fc.integer({ min: 0, max: 9999 }),
        }),
      ),
    }),
    newest: fc.bigInt({ min: 10n, max: 20n }),
    hashes: fc.array(hex64.map(digest), { minLength: 1, maxLength: 8 }),
    amounts: fc.uniqueArray(fc.tuple(account, amount), { selector: ([id]) => id, maxLength: 10 }),
    schemes: fc.array(name, { minLength: 1, maxLength: 3 }),
    payee,
    fee: amount,
    remainder: amount,
    corrects: fc.option(hex64.map(digest)),
    previous: hex64.map(digest),
  })
  .map(each => {
    const lines = each.amounts
      .filter(([, msat]) => msat > 0n)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, msat]) => ({
        account: id,
        payee: each.payee,
        scheme: each.schemes[Number(id) % each.schemes.length] ?? 'solo',
        amount: millisats(msat),
      }))
    const paid = lines.reduce((sum, line) => sum + line.amount, 0n)
    return {
      version: 1,
      network: each.network,
      number: each.number,
      rewardPool: each.rewardPool,
      method: each.method,
      parameters: each.parameters,
      feeBasisPoints: Object.fromEntries(each.schemes.map(scheme => [scheme, 100])),
      basis: { kind: 'block', ...each.block },
      work: each.hashes.map((hash, index) => ({
        epoch: epochId(each.newest - BigInt(index)),
        hash,
        numerator: 1n,
        denominator: index === each.hashes.length - 1 ? 3n : 1n,
      })),
      total: millisats(paid + each.fee + each.remainder),
      lines,
      fee: millisats(each.fee),
      remainder: millisats(each.remainder),
      corrects: each.corrects,
      previous: each.number === 1n ? null : each.previous,
      accountsRoot: null,
      signature: null,
    }
  })
