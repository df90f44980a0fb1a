import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAddress } from '../../src/lib/bitcoin/address.ts'
import { witnessCommitmentScript } from '../../src/lib/bitcoin/script.ts'
import { type Output, parseCoinbase } from '../../src/lib/bitcoin/tx.ts'
import { concat, fromHex } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import { buildCoinbase, coinbaseBytes, readCoinbase } from '../../src/pool/coinbase.ts'
import {
  createFinderJobs,
  type FinderTerms,
  finderBytesMax,
  payFinder,
  readPaidFinder,
} from '../../src/pool/finder-coinbase.ts'
import { jobOf } from './stratum/fixtures.ts'

const OURS = fromHex(`0014${'77'.repeat(20)}`)
const FINDER = fromHex(`5120${'99'.repeat(32)}`)
const M7 = { value: 0n, script: fromHex(`6a25d1617368${'aa'.repeat(33)}`) }
const EXTRANONCES = new Uint8Array(12).fill(5)

type Request = {
  readonly value: bigint
  readonly commitments: readonly Output[]
  readonly hasCommitment: boolean
}

const halvesOf = ({ value, commitments, hasCommitment }: Request, payScript = OURS) =>
  buildCoinbase({
    ...{ height: 840_000, tag: '/sidepool/', extraBytes: Uint8Array.of(1, 2, 3, 4), payScript },
    ...{ value: sats(value), commitments },
    witnessCommitment: hasCommitment ? witnessCommitmentScript(new Uint8Array(32)) : null,
  })
const whole = ({ coinbase1, coinbase2 }: { coinbase1: Uint8Array; coinbase2: Uint8Array }) =>
  concat(coinbase1, EXTRANONCES, coinbase2)

const requests = fc.record({
  value: fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }),
  commitments: fc.constantFrom<Output[]>([], [M7], [M7, M7]),
  hasCommitment: fc.boolean(),
})
const scripts = fc.constantFrom(
  ...[`76a914${'11'.repeat(20)}88ac`, `a914${'22'.repeat(20)}87`, `0014${'33'.repeat(20)}`].map(
    fromHex,
  ),
  FINDER,
)
const fees = fc.integer({ min: 0, max: 9999 })

test('the finder stands where the pool stood, with the fee after it, and all else as it was', () => {
  const request = { value: 312_500_000n, commitments: [M7], hasCommitment: true }
  const before = parseCoinbase(whole(halvesOf(request)))?.outputs ?? []
  const paying = payFinder(halvesOf(request), true, { script: FINDER, feeBasisPoints: 200 })
  const outputs = parseCoinbase(whole(paying))?.outputs ?? []
  expect(outputs).toEqual([
    before[0],
    { value: 306_250_000n, script: FINDER },
    { value: 6_250_000n, script: OURS },
    before[2],
  ])
  const free = payFinder(halvesOf(request), true, { script: FINDER, feeBasisPoints: 0 })
  expect(parseCoinbase(whole(free))?.outputs).toEqual([
    before[0],
    { value: 312_500_000n, script: FINDER },
    before[2],
  ])
})

test('no satoshi appears or vanishes, and the chain says again what was paid', () =>
  fc.assert(
    fc.property(requests, scripts, fees, (request, script, feeBasisPoints) => {
      const terms: FinderTerms = { script, feeBasisPoints }
      const pool = halvesOf(request)
      const paying = payFinder(pool, request.hasCommitment, terms)
      expect(paying.coinbase1).toEqual(pool.coinbase1)
      const sum = (parseCoinbase(whole(paying))?.outputs ?? []).reduce((a, b) => a + b.value, 0n)
      expect(sum).toBe(request.value)
      const reading = readCoinbase(whole(paying), OURS)
      if (reading.kind === 'foreign') throw new Error('it has our layout')
      const { value, outputs } = reading
      expect(value + paying.paid.amount).toBe(request.value)
      expect(reading.kind).toBe(value > 0n ? 'ours' : 'paying others')
      expect(readPaidFinder(outputs, value, terms)).toEqual(paying.paid)
      const longer = coinbaseBytes(paying) - coinbaseBytes(pool)
      expect(longer).toBeLessThanOrEqual(finderBytesMax(OURS, [feeBasisPoints]))
    }),
  ))

test('a coinbase that pays by other terms is not explained by these', () => {
  const request = { value: 312_500_000n, commitments: [], hasCommitment: true }
  const terms = { script: FINDER, feeBasisPoints: 200 }
  const readAs = (raw: Uint8Array, by: FinderTerms) => {
    const reading = readCoinbase(raw, OURS)
    return reading.kind === 'foreign'
      ? 'foreign'
      : readPaidFinder(reading.outputs, reading.value, by)
  }
  const paying = whole(payFinder(halvesOf(request), true, terms))
  expect(readAs(paying, terms)).toMatchObject({ amount: 306_250_000n })
  expect(readAs(paying, { ...terms, feeBasisPoints: 199 })).toBeNull()
  expect(readAs(paying, { ...terms, script: OURS })).toBeNull()
  expect(readAs(whole(halvesOf(request)), terms)).toBeNull()
})

test('the longest script that an address stands for is what room is kept for', () => {
  const longest = [
    'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
    'bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry',
  ].map(text => parseAddress(text, 'regtest'))
  for (const address of longest)
    if (address.kind === 'address') expect(address.script.length).toBeLessThanOrEqual(34)
    else throw new Error('it is an address')
  expect(finderBytesMax(OURS, [])).toBe(0)
  expect(finderBytesMax(OURS, [0])).toBe(12)
  expect(finderBytesMax(OURS, [0, 100])).toBe(43)
  expect(finderBytesMax(FINDER, [0])).toBe(0)
})

test('a finder has one job of each, and nobody else has it', () => {
  const pay = createFinderJobs()
  const [job, next] = [jobOf(1n), jobOf(2n)]
  const terms = { script: FINDER, feeBasisPoints: 200 }
  const own = pay(job, terms)
  expect(own).toMatchObject({ id: job.id, wireId: job.wireId, template: job.template })
  expect(pay(job, { ...terms })).toBe(own)
  expect(pay(next, terms)).not.toBe(own)
  expect(pay(job, { ...terms, feeBasisPoints: 100 }).coinbase2).not.toEqual(own.coinbase2)
  expect(pay(job, { ...terms, script: OURS }).coinbase2).not.toEqual(own.coinbase2)
})
