import { Transaction } from 'bitcoinjs-lib'
import { afterEach, expect, test } from 'vitest'
import { arrangingFor, type OwnPart } from '../../src/commands/bmm-wiring.ts'
import { type OwnDeposits, watchOwnDeposits } from '../../src/commands/own-deposits.ts'
import { treasuryScript } from '../../src/lib/bitcoin/drivechain.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { type BlockHash, blockHash, txid } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { sats } from '../../src/lib/money.ts'
import type { BlockTemplateReply, TransactionReply } from '../../src/lib/nodes/block-template.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import type { OwnTransaction } from '../../src/payouts/index.ts'
import { arrangeTemplate } from '../../src/pool/arrangement.ts'
import { PARTS } from '../bmm/bidding.ts'

const [ONE, OTHER] = ['11', '22'].map(byte => blockHash(byte.repeat(32))) as [BlockHash, BlockHash]
const PATIENCE = { everyMs: 20, timeoutMs: 30_000 }

/** A deposit that spends a coin of ours and the treasury's. */
function depositOf(byte: string): OwnTransaction {
  const transaction = new Transaction()
  transaction.version = 2
  transaction.addInput(fromHex(byte.repeat(32)), 0)
  transaction.addInput(fromHex('ee'.repeat(32)), 0)
  transaction.addOutput(treasuryScript({ slot: 9, opcode: 0xb4 }), 5000n)
  transaction.addOutput(fromHex('6a0131'), 0n)
  transaction.setWitness(0, [new Uint8Array(71), new Uint8Array(33)])
  const keyHash = fromHex(`0014${'aa'.repeat(20)}`)
  const raw = new Uint8Array(transaction.toBuffer())
  const spent = [keyHash, new Uint8Array()]
  return { raw, txid: txid(transaction.getId()), fee: sats(500n), spent }
}

let watched: OwnDeposits | null = null
afterEach(() => watched?.stop())

/** A watch whose tip, offers and trouble a test changes; told once more for each look. */
function scene(tips: readonly BlockHash[] = [ONE], offers: readonly OwnTransaction[] = []) {
  const now = {
    tips: [...tips],
    offers,
    isAway: false,
    looks: 0,
    news: 0,
  }
  const deposits = watchOwnDeposits({
    offers: async () => {
      now.looks += 1
      if (now.isAway) throw new Error('the database is away')
      return now.offers
    },
    // Of several tips each question takes one, and the last stays.
    tip: async () => (now.tips.length > 1 ? (now.tips.shift() ?? ONE) : (now.tips[0] ?? ONE)),
    log: createLog('test', 'silent'),
    onNew: () => {
      now.news += 1
    },
  })
  watched = deposits
  const idsOn = (parent: BlockHash) => deposits.on(parent).map(each => each.txid)
  const until = async (isSo: () => boolean) => {
    expect(await pollUntil(async () => isSo() || null, PATIENCE)).toBe(true)
  }
  return { now, deposits, idsOn, until }
}

test('a deposit is good on the tip that it was asked for on, and on no other', async () => {
  const { now, idsOn, until } = scene()
  const deposit = depositOf('01')
  now.offers = [deposit]
  await until(() => idsOn(ONE).length > 0)
  expect(idsOn(ONE)).toEqual([deposit.txid])
  expect(idsOn(OTHER)).toEqual([])
  // The tip has moved on, and the treasury with it: what was good costs the next block.
  now.tips = [OTHER]
  now.offers = []
  const news = now.news
  await until(() => now.news > news)
  expect([...idsOn(ONE), ...idsOn(OTHER)]).toEqual([])
})

test('what was asked for while the tip moved on is good on neither', async () => {
  const { now, idsOn, until } = scene([ONE, OTHER], [depositOf('01')])
  await until(() => now.looks > 0 && now.tips.length === 1)
  expect([...idsOn(ONE), ...idsOn(OTHER)]).toEqual([])
  await until(() => idsOn(OTHER).length > 0)
  expect(idsOn(ONE)).toEqual([])
})

test.each<[string, Partial<ReturnType<typeof scene>['now']>]>([
  ['a freeze', { offers: [] }],
  ['trouble, behind which there may be a freeze,', { isAway: true }],
])('%s takes a deposit out of the next template, and that is told', async (_, change) => {
  const { now, idsOn, until } = scene()
  now.offers = [depositOf('01')]
  await until(() => idsOn(ONE).length > 0)
  const news = now.news
  Object.assign(now, change)
  await until(() => now.news > news)
  expect(idsOn(ONE)).toEqual([])
})

const reply = (transactions: readonly TransactionReply[] = []): BlockTemplateReply => ({
  ...{ height: 200, previousBlock: ONE, version: 0x20000000, bits: 0x207fffff, target: 1n << 250n },
  ...{ minTime: 1, curTime: 2, value: sats(5_000_000_000n), commitments: [], isEnforced: true },
  ...{ rules: [], mutable: [], longPollId: null, witnessCommitment: null, signetChallenge: null },
  transactions,
})

test('a template without a deposit that the current work has is new work at once', async () => {
  const { now, deposits, idsOn, until } = scene()
  const bmm = { templateUrl: 'http://127.0.0.1:1', drivechainOpcode: 'nop5' } as const
  const own: OwnPart = {
    sideBlockOn: () => null,
    failingBundlesOn: () => new Set(),
    transactionsOn: parent => deposits.on(parent),
    treasuryCoins: new Set(),
  }
  const parts = { ...PARTS, bytesMax: 500 }
  const { arrange, isWorthwhile } = arrangingFor(bmm, parts, own)
  const arranged = () => arrangeTemplate(reply(), arrange, parts)
  now.offers = [depositOf('01')]
  await until(() => idsOn(ONE).length > 0)
  const current = arranged()
  expect(current.transactions.map(each => each.txid)).toEqual(idsOn(ONE))
  expect(current.value).toBe(5_000_000_500n)
  const asTemplate = (of: BlockTemplateReply) => of as unknown as Parameters<typeof isWorthwhile>[1]
  expect(isWorthwhile(arranged(), asTemplate(current))).toBe(false)
  now.offers = []
  await until(() => idsOn(ONE).length === 0)
  expect(isWorthwhile(arranged(), asTemplate(current))).toBe(true)
  now.offers = [depositOf('02')]
  await until(() => idsOn(ONE).length > 0)
  expect(isWorthwhile(arranged(), asTemplate(reply()))).toBe(true)
})

test('a deposit of ours says what it costs of a block', async () => {
  const { now, deposits, idsOn, until } = scene()
  const deposit = depositOf('01')
  now.offers = [deposit]
  await until(() => idsOn(ONE).length > 0)
  const [counted] = deposits.on(ONE)
  const bare = Transaction.fromHex(toHex(deposit.raw))
  expect(counted).toMatchObject({ sigops: 1, weight: bare.weight(), fee: 500n })
})
