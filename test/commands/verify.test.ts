import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyFiles } from '../../src/commands/verify-files.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { accountId } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { pplns } from '../../src/payouts/rewards/pplns.ts'
import { pps } from '../../src/payouts/rewards/pps.ts'
import { solo } from '../../src/payouts/rewards/solo.ts'
import {
  encodeReward,
  encodeWork,
  hashStatement,
  type RewardStatement,
  type WorkStatement,
} from '../../src/statement/index.ts'
import { runCommand } from './child.ts'
import { rewardOf, type Work, workChain } from './statements.ts'

const CHAIN = workChain([
  [60n, 60n],
  [30n, 10n],
  [50n, 40n],
])
const ONE_BLOCK = pplns({ numerator: 1n, denominator: 1n })
const WIDE = pplns({ numerator: 5n, denominator: 1n })

const workFile = ({ statement }: { statement: WorkStatement }) => ({
  name: `epoch ${statement.epoch}`,
  bytes: encodeWork(statement),
})
const rewardFile = (statement: RewardStatement) => ({
  name: 'reward',
  bytes: encodeReward(statement),
})
const complaints = (files: Parameters<typeof verifyFiles>[0]) =>
  verifyFiles(files).map(({ complaint }) => complaint)
/** What is said of a reward beside the work statements it used. */
const complaintOfReward = (statement: RewardStatement, work: readonly Work[] = CHAIN) =>
  complaints([rewardFile(statement), ...work.map(workFile)])[0]

for (const method of [solo, pps, ONE_BLOCK, WIDE])
  test(`a reward by ${method.name} is computed again from its work statements`, () => {
    const { statement, hash } = rewardOf(method, CHAIN)
    const verdicts = verifyFiles([...CHAIN.map(workFile), rewardFile(statement)])
    expect(verdicts.map(({ complaint, notes }) => [complaint, notes])).toEqual(
      [1, 2, 3, 4].map(() => [null, []]),
    )
    expect(verdicts[3]?.title).toBe(`reward statement 1, hash ${hash}`)
    expect(verdicts[0]?.title).toBe(`work statement of epoch 1, hash ${CHAIN[0]?.hash}`)
  })

test('a reward whose sums agree, but not with the work, is found', () => {
  const { statement } = rewardOf(ONE_BLOCK, CHAIN)
  const [first, second] = statement.lines
  if (!first || !second) throw new Error('two accounts worked')
  const moved = [
    { ...first, amount: millisats(first.amount - 1n) },
    { ...second, amount: millisats(second.amount + 1n) },
  ]
  expect(complaintOfReward({ ...statement, lines: moved })).toMatch(/^account 1: \d+ msat stated/)
  const fee = { fee: millisats(statement.fee - 1n), remainder: millisats(1n) }
  expect(complaintOfReward({ ...statement, ...fee })).toMatch(/^feeMsat: /)
  const elsewhere = { ...statement, lines: [{ ...first, payee: 'thief' }, second] }
  expect(complaintOfReward(elsewhere)).toBe('account 1: another payee or scheme than in the work')
})

test('a window that ends too early, or counts another part, is found', () => {
  const { statement } = rewardOf(ONE_BLOCK, CHAIN)
  const short = rewardOf(pps, CHAIN.slice(2))
  expect(statement.work).toHaveLength(2)
  const oneEpoch = { ...rewardOf(ONE_BLOCK, CHAIN.slice(2)).statement }
  expect(complaintOfReward(oneEpoch)).toMatch(/msat stated|epochs/)
  expect(complaintOfReward(oneEpoch, CHAIN.slice(2))).toBe(
    'work: epoch 2 counts too, or its statement must be handed over',
  )
  expect(complaintOfReward(short.statement)).toBeNull()
  const [newest, oldest] = statement.work
  if (!newest || !oldest) throw new Error('two epochs count')
  const part = { ...oldest, numerator: oldest.numerator - 1n }
  expect(complaintOfReward({ ...statement, work: [newest, part] })).toMatch(/^work: not the epochs/)
})

test('a method, a parameter, a fee or a block that the pool never stated is found', () => {
  const { statement } = rewardOf(ONE_BLOCK, CHAIN)
  expect(complaintOfReward({ ...statement, method: 'luck' })).toMatch(/^method: luck/)
  const parameters = { ...statement.parameters, bonus: '7' }
  expect(complaintOfReward({ ...statement, parameters })).toMatch(/^method: pplns with these/)
  const huge = { ...statement.parameters, factorNumerator: '9'.repeat(60) }
  expect(complaintOfReward({ ...statement, parameters: huge })).toMatch(/^method: /)
  const hash = rewardOf(pps, CHAIN).hash
  const basis = { kind: 'block', hash, height: 102, paid: null } as never
  expect(complaintOfReward({ ...statement, basis })).toMatch(/^basis: /)
  const paid = { payee: 'somebody', amount: sats(1n), feeBasisPoints: 0 }
  if (statement.basis.kind !== 'block') throw new Error('it is for a block')
  expect(complaintOfReward({ ...statement, basis: { ...statement.basis, paid } })).toBe(
    'basis: not what the coinbase paid its finder',
  )
})

test('a reward that credits whom the coinbase of its block paid is found', () => {
  const [first, second, third] = CHAIN
  if (!first || !second || !third) throw new Error('the chain has three epochs')
  const { payee } = third.statement.lines.find(({ account }) => account === 1n) ?? {}
  if (payee === undefined) throw new Error('the finder has a line')
  const paid = { payee, amount: sats(5_000_012_345n), feeBasisPoints: 0 }
  const blocks = third.statement.blocks.map(block => ({ ...block, value: sats(0n), paid }))
  const own = { ...third.statement, blocks }
  const chain = [first, second, { statement: own, hash: hashStatement(encodeWork(own)) }]
  const { statement } = rewardOf(solo, chain)
  expect([statement.total, statement.lines]).toEqual([0n, []])
  expect(complaintOfReward(statement, chain)).toBeNull()
  if (statement.basis.kind !== 'block') throw new Error('it is for a block')
  const less = { ...statement.basis, paid: { ...paid, amount: sats(1n) } }
  expect(complaintOfReward({ ...statement, basis: less }, chain)).toBe(
    'basis: not what the coinbase paid its finder',
  )
  const line = { account: accountId(1n), payee, scheme: 'pplns', amount: millisats(1n) }
  const greedy = { ...statement, total: millisats(1n), lines: [line] }
  expect(complaintOfReward(greedy, chain)).toMatch(/^totalMsat: 1 stated, 0 computed/)
})

test('the work that a reward names must be the work that is given', () => {
  const { statement } = rewardOf(ONE_BLOCK, CHAIN)
  const [first, second, third] = CHAIN
  if (!first || !second || !third) throw new Error('the chain has three epochs')
  const changed = { ...second.statement, previous: third.hash }
  const forged = { statement: changed, hash: hashStatement(encodeWork(changed)) }
  expect(complaintOfReward(statement, [first, forged, third])).toBe(
    'work: epoch 2 has another hash',
  )
  expect(complaintOfReward(statement, [first, forged])).toBe('work: epoch 2 has another hash')
  const alone = verifyFiles([rewardFile(statement)])
  expect(alone[0]).toMatchObject({
    complaint: null,
    notes: ['not computed again without 2 work statements of epochs 2 to 3'],
  })
})

test('sums, links and doubles among work statements are found, each at its file', () => {
  const [first, second, third] = CHAIN
  if (!first || !second || !third) throw new Error('the chain has three epochs')
  expect(complaints(CHAIN.map(workFile).reverse())).toEqual([null, null, null])
  const wrongSum = { ...second.statement, pools: [] }
  expect(complaints([first, { statement: wrongSum }, third].map(workFile))).toEqual([
    null,
    'pools: pplns is missing',
    'previous: not the hash of the statement before',
  ])
  const other = { statement: { ...first.statement, lines: [], pools: [] } }
  expect(complaints([first, other].map(workFile))).toEqual([
    null,
    'another statement with this number was given, with another hash',
  ])
})

test('bytes that say the same in another spelling, or nothing, are refused with a reason', () => {
  const [first] = CHAIN
  if (!first) throw new Error('the chain has three epochs')
  const text = new TextDecoder().decode(encodeWork(first.statement))
  const readings = verifyFiles([
    { name: 'spaced', bytes: utf8(`${text}\n`) },
    { name: 'zero', bytes: utf8(text.replace('"epoch":"1"', '"epoch":"01"')) },
    { name: 'text', bytes: utf8('hello') },
  ])
  expect(readings.map(({ complaint }) => complaint)).toEqual([
    'not in canonical form',
    'epoch: a whole decimal number',
    'not a JSON object',
  ])
})

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sidepool-verify-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

test('the command says each file in a line and fails where one is wrong', async () => {
  const { statement } = rewardOf(ONE_BLOCK, CHAIN)
  const names: string[] = []
  for (const [index, { bytes }] of [...CHAIN.map(workFile), rewardFile(statement)].entries()) {
    const name = join(dir, `statement-${index}`)
    await writeFile(name, bytes)
    names.push(name)
  }
  const good = await runCommand(['verify', ...names])
  expect(good).toMatchObject({ code: 0, stderr: '' })
  expect(good.stdout.trim().split('\n')).toHaveLength(4)
  expect(good.stdout).toContain(`epoch 3, hash ${CHAIN[2]?.hash}: ok`)

  const lines = statement.lines.map(line => ({ ...line, account: accountId(line.account + 7n) }))
  await writeFile(names[3] ?? '', encodeReward({ ...statement, lines }))
  const bad = await runCommand(['verify', ...names])
  expect(bad.code).toBe(1)
  expect(bad.stdout.trim().split('\n')[3]).toContain('account 8: ')
})

test('the command explains a file that is not there, and a call without files', async () => {
  const missing = await runCommand(['verify', join(dir, 'nothing')])
  expect(missing).toMatchObject({ code: 2, stdout: '' })
  expect(missing.stderr).toMatch(/^there is no file/)
  expect(await runCommand(['verify'])).toMatchObject({ code: 2 })
})
