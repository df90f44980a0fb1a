import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type ArrivedFunds,
  channelAmount,
  openedEntry,
  type SeenChannel,
  type SeenSpend,
  sightOf,
} from '../../src/bridges/channel.ts'
import { type ChannelBridgeParts, channelBridge } from '../../src/bridges/channel-bridge.ts'
import { balancesOf, chartAccount, postEntries } from '../../src/ledger/index.ts'
import { batchId, journalKey, txid, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { addBatchRow } from '../payouts/batch-rows.ts'
import { addressOf } from '../payouts/l1-world.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const AMOUNT = sats(1_000_000n)
const AT = unixMs(1_800_000_000_000)
const FINALITY = 3
const COIN = { txid: txid('ab'.repeat(32)), vout: 0 }
const FUNDING = txid('cd'.repeat(32))
const [PEER, SECOND] = [`02${'aa'.repeat(32)}`, `03${'bb'.repeat(32)}`]
const FUNDS: ArrivedFunds = {
  ...{ batch: batchId(1n), coin: COIN, amount: AMOUNT, manifest: new Uint8Array([1]) },
}

const spend = (over: Partial<SeenSpend> = {}): SeenSpend => ({
  ...{ txid: FUNDING, confirmations: FINALITY, spends: [COIN] },
  outputs: [
    { vout: 0, amount: sats(989_000n) },
    { vout: 1, amount: sats(10_000n) },
  ],
  ...over,
})
const channel = (over: Partial<SeenChannel> = {}): SeenChannel => ({
  ...{ coin: { txid: FUNDING, vout: 0 }, peer: PEER, capacity: sats(989_000n) },
  ...over,
})
const OPEN = { ...channel(), left: 10_000n, fee: 1_000n }

describe('what lnd says of a coin', () => {
  test.each<[string, SeenSpend[], SeenChannel[], object]>([
    ['nothing spends it', [], [channel()], { kind: 'unspent' }],
    [
      'another output of its transaction is spent',
      [spend({ spends: [{ ...COIN, vout: 1 }] })],
      [channel()],
      { kind: 'unspent' },
    ],
    ['its spender is young', [spend({ confirmations: 2 })], [channel()], { kind: 'opening' }],
    ['no channel came of it', [spend()], [channel({ coin: COIN })], { kind: 'opening' }],
    [
      'other coins went with it',
      [spend({ spends: [COIN, { ...COIN, vout: 7 }] })],
      [channel()],
      { kind: 'opening' },
    ],
    [
      'the channel is larger than its output',
      [spend()],
      [channel({ capacity: AMOUNT })],
      { kind: 'opening' },
    ],
    [
      'more came out than went in',
      [
        spend({
          outputs: [
            { vout: 0, amount: sats(989_000n) },
            { vout: 1, amount: AMOUNT },
          ],
        }),
      ],
      [channel()],
      { kind: 'opening' },
    ],
    ['it became a channel', [spend()], [channel()], { kind: 'open', channel: OPEN }],
    [
      'one of two spenders is final',
      [spend({ txid: txid('ef'.repeat(32)), confirmations: 0 }), spend()],
      [channel()],
      { kind: 'open', channel: OPEN },
    ],
  ])('%s', (_name, spends, channels, expected) => {
    expect(sightOf(FUNDS, { spends, channels }, FINALITY)).toMatchObject(expected)
  })
})

test.each([
  [19_999n, null],
  [20_000n, 20_000n],
  [50_000n, 50_000n],
  [50_001n, 50_000n],
])('of %s sat that are missing a channel gets %s', (missing, amount) => {
  const size = { atLeast: sats(20_000n), atMost: sats(50_000n) }
  expect(channelAmount(sats(missing), size)).toBe(amount)
})

test('an entry that does not add up is never made', () => {
  const wrong = { ...OPEN, left: sats(10_000n), fee: sats(1_001n) }
  expect(() => openedEntry(FUNDS, wrong, AT)).toThrow(/make its coin/)
})

describe('the bridge', () => {
  let database: TestDatabase
  let spends: SeenSpend[] | null
  let channels: (SeenChannel & { isActive: boolean })[]
  let asked: string[]
  let lndSays: string | null
  let stopped: string | null
  let said: string[]
  let parts: ChannelBridgeParts

  beforeEach(async () => {
    database = await testDatabase()
    ;[spends, channels, asked, lndSays, stopped, said] = [[], [], [], null, null, []]
    const { db } = database
    const row = { number: 1, purpose: 'channel', state: 'settled' } as const
    await addBatchRow(db, { ...row, payees: [[addressOf(1), AMOUNT]] })
    const legs = [
      { account: chartAccount('lightningTransit'), amount: millisats(1000n * AMOUNT) },
      { account: chartAccount('treasuryCapital'), amount: millisats(-1000n * AMOUNT) },
    ]
    const entry = { key: journalKey('test:settled'), event: 'test', legs, at: AT }
    await db.transaction().execute(tx => postEntries(tx, [entry]))
    const note = (of: { peers?: unknown }, message: string) =>
      void said.push(of.peers ? `${message}: ${of.peers}` : message)
    parts = {
      ...{ db, clock: { now: () => AT }, log: { info: note, warn: note, error: note } },
      ...{ peers: [PEER, SECOND], finality: FINALITY, arrived: async () => [FUNDS] },
      size: { atLeast: sats(20_000n), atMost: AMOUNT },
      view: { channels: async () => channels, spendsSince: async () => spends },
      need: async () => ({ float: sats(0n), coming: sats(0n), leaving: sats(0n), due: sats(0n) }),
      fill: async amount => ({ kind: 'planned', batch: batchId(amount) }),
      open: async (_funds, peer) => {
        asked.push(peer)
        return lndSays
      },
      stopped: async () => stopped,
    }
  })
  afterEach(() => database.drop())

  async function booked() {
    const names = ['lightningTransit', 'lightningFloat', 'lightningWallet', 'feeL1'] as const
    const balances = await balancesOf(database.db, names.map(chartAccount))
    return names.map(name => (balances.get(chartAccount(name)) ?? 0n) / 1000n)
  }

  test('asks one peer after the other until the coin is spent, and books nothing', async () => {
    lndSays = 'the peer is away'
    const bridge = channelBridge(parts)
    for (let run = 0; run < 3; run++) await bridge.follow()
    expect(asked).toEqual([PEER, SECOND, PEER])
    spends = [spend({ confirmations: 0 })]
    await bridge.follow()
    expect(asked).toHaveLength(3)
    expect(await booked()).toEqual([AMOUNT, 0n, 0n, 0n])
  })

  test.each<[string, () => void]>([
    [
      'the rail is frozen',
      () => {
        stopped = 'frozen'
      },
    ],
    [
      'lnd has not seen the coin',
      () => {
        spends = null
      },
    ],
  ])('asks nobody where %s', async (_name, bend) => {
    bend()
    await channelBridge(parts).follow()
    expect(asked).toEqual([])
  })

  test('books a channel once, however many look at once and again', async () => {
    spends = [spend()]
    channels = [{ ...channel(), isActive: true }]
    const bridge = channelBridge(parts)
    await Promise.all([bridge.follow(), bridge.follow(), channelBridge(parts).follow()])
    await bridge.follow()
    expect(await booked()).toEqual([0n, 989_000n, 10_000n, 1_000n])
    const rows = await database.db.selectFrom('channel_openings').selectAll().execute()
    expect(rows).toMatchObject([{ batch_id: 1n, txid: FUNDING, vout: 0, peer: PEER }])
    expect(asked).toEqual([])
  })

  test('says that a peer with channels is away', async () => {
    channels = [
      { ...channel(), isActive: false },
      { ...channel({ peer: SECOND }), isActive: false },
      { ...channel({ peer: SECOND }), isActive: true },
    ]
    await channelBridge({ ...parts, arrived: async () => [] }).follow()
    expect(said).toEqual([`a peer of ours is away: ${PEER}`])
  })

  test('plans no channel that is too small, and none that is too large', async () => {
    const { fill } = channelBridge(parts)
    expect(await fill(sats(19_999n))).toMatchObject({ kind: 'nothing' })
    expect(await fill(sats(5_000_000n))).toEqual({ kind: 'planned', batch: AMOUNT })
  })
})
