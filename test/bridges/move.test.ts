import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Arrival, look, type Move, moveOf, type Sight } from '../../src/bridges/move.ts'
import { EMPTY_BOOKS, postAll } from '../../src/ledger/index.ts'
import { batchId, txid, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { bareAddress } from '../../src/lib/thunder/address.ts'

const AT = unixMs(5)
const ARRIVAL: Arrival = {
  batch: batchId(7n),
  coin: { txid: txid('ab'.repeat(32)), vout: 0 },
  amount: sats(3000n),
  address: bareAddress(new Uint8Array(20).fill(7)),
}
/** The main chain has settled another version of it. */
const OTHER: Arrival = { ...ARRIVAL, coin: { ...ARRIVAL.coin, txid: txid('cd'.repeat(32)) } }
const THERE: Sight = { kind: 'there', value: ARRIVAL.amount }
const TRANSIT = moveOf(ARRIVAL)
const CREDITED: Move = { ...TRANSIT, state: 'credited', turn: 1 }

test('what Thunder credits is float, noted once, and from asset to asset', () => {
  expect(look(TRANSIT, ARRIVAL, THERE, AT)).toEqual({
    move: CREDITED,
    coin: 'note',
    entry: {
      key: 'deposit:7:credited:1',
      event: 'deposit credited',
      at: AT,
      legs: [
        { account: 'asset:thunder', amount: 3_000_000n },
        { account: 'asset:thunder_transit', amount: -3_000_000n },
      ],
    },
  })
  expect(look(CREDITED, ARRIVAL, THERE, AT)).toBeNull()
})

test('what a reorganisation undoes is in transit again, and is credited anew under another key', () => {
  const undone = look(CREDITED, ARRIVAL, { kind: 'not there' }, AT)
  expect(undone).toMatchObject({
    move: { state: 'transit', turn: 1 },
    entry: { key: 'deposit:7:undone:1' },
    coin: 'keep',
  })
  const again = look(undone?.move ?? TRANSIT, ARRIVAL, THERE, AT)
  expect(again).toMatchObject({
    move: { state: 'credited', turn: 2 },
    entry: { key: 'deposit:7:credited:2' },
    coin: 'note',
  })
})

test('where another version was settled, what the first brought is undone before', () => {
  const renamed = look(TRANSIT, OTHER, THERE, AT)
  expect(renamed).toEqual({ move: { ...TRANSIT, coin: OTHER.coin }, entry: null, coin: 'keep' })
  const undone = look(CREDITED, OTHER, THERE, AT)
  expect(undone).toMatchObject({ move: { state: 'transit', coin: OTHER.coin, turn: 1 } })
  expect(undone?.entry?.key).toBe('deposit:7:undone:1')
})

test.each<[string, Move, Sight]>([
  ['a node that is behind', TRANSIT, { kind: 'unknown' }],
  ['a node that is behind, once credited', CREDITED, { kind: 'unknown' }],
  ['no coin yet', TRANSIT, { kind: 'not there' }],
  ['another amount', TRANSIT, { kind: 'there', value: sats(2999n) }],
])('%s changes nothing', (_name, move, sight) => {
  expect(look(move, ARRIVAL, sight, AT)).toBeNull()
})

test('whatever is seen in whatever order, float and transit sum to what was deposited', () => {
  const sight = fc.constantFrom<Sight>(THERE, { kind: 'not there' }, { kind: 'unknown' })
  const step = fc.tuple(sight, fc.constantFrom(ARRIVAL, OTHER))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      let move = TRANSIT
      const entries = []
      for (const [seen, arrival] of steps) {
        const change = look(move, arrival, seen, AT)
        if (change === null) continue
        if (change.entry) entries.push(change.entry)
        move = change.move
      }
      const start = {
        ...EMPTY_BOOKS,
        balances: new Map([['asset:thunder_transit', 3_000_000n]]),
      } as never
      const { outcomes, books } = postAll(start, entries)
      expect(outcomes.every(({ kind }) => kind === 'posted')).toBe(true)
      const held = [...books.balances.values()].reduce((sum, amount) => sum + amount, 0n)
      expect(held).toBe(3_000_000n)
      const float = books.balances.get('asset:thunder' as never) ?? 0n
      expect(float).toBe(move.state === 'credited' ? 3_000_000n : 0n)
    }),
  )
})
