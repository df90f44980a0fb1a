import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type CoinManifest,
  encodeManifest,
  type ThunderSignRequest,
} from '../../src/approval/index.ts'
import { batchId, payoutId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { parseBareAddress } from '../../src/lib/thunder/address.ts'
import { checkAuthorizations } from '../../src/lib/thunder/authorization.ts'
import {
  type Output,
  parseTransaction,
  type ThunderTransaction,
  transactionBytes,
  utxoHash,
} from '../../src/lib/thunder/transaction.ts'
import { systemClock } from '../../src/lib/time.ts'
import { paymentsOf } from '../../src/payouts/rails/thunder/payments.ts'
import {
  buildTransaction,
  outpointOf,
  outputOf,
  type ThunderCoin,
} from '../../src/payouts/rails/thunder/transaction.ts'
import { thunderWallet } from '../../src/signer/thunder.ts'
import { ownKey, THUNDER_SEED, thunderAddressOf, thunderCoin } from '../payouts/thunder-order.ts'
import { signerHost } from './host.ts'
import { approvals, HOUR_MS, manifestOf, type SignerWorld, signerWorld } from './world.ts'

// Whoever has the pool's host knows every coin, every approval so far, and how to ask.
const STRANGER = thunderAddressOf(666)
const [ANCHOR, SECOND, RIVAL] = [
  thunderCoin(0, 500_000n),
  thunderCoin(1, 900_000n, 2),
  thunderCoin(2, 900_000n),
]
const COINS = [ANCHOR, SECOND]

let world: SignerWorld
beforeAll(async () => {
  world = await signerWorld({ thunder: thunderWallet(THUNDER_SEED, 2) })
})
afterAll(() => world.remove())

function batch(change: Partial<CoinManifest> = {}, anchor: ThunderCoin = ANCHOR): CoinManifest {
  const destinations = [1, 2].map(thunderAddressOf).toSorted()
  return manifestOf({
    rail: 'thunder',
    anchor: outpointOf(anchor),
    payees: destinations.map((destination, n) => ({
      destination,
      amount: sats(300_000n + BigInt(n)),
      payouts: [payoutId(BigInt(n + 1))],
    })),
    feeMax: sats(1000n),
    change: ownKey(1).address,
    ...change,
  })
}

/** What an honest pool asks for. */
function honest(
  manifest: CoinManifest,
  coins: readonly ThunderCoin[] = COINS,
  fee = 1000n,
): ThunderSignRequest {
  const order = {
    ...{ coins, anchor: manifest.anchor, feeMax: manifest.feeMax },
    payments: paymentsOf(manifest, sats(0n)),
    change: ownKey(1).address,
  }
  const built = buildTransaction(order, sats(fee))
  if (built.kind !== 'built') throw new Error(built.kind)
  return {
    rail: 'thunder',
    manifest: encodeManifest(manifest),
    acts: approvals(manifest, ['alice']),
    transaction: built.bytes,
    spent: coins.map(({ address, value }) => ({ address, valueSats: value })),
    head: null,
  }
}

/** The honest transaction with something else in it. */
function bent(change: (honest: ThunderTransaction) => Partial<ThunderTransaction>): Uint8Array {
  const transaction = parseTransaction(honest(batch()).transaction)
  if (!transaction) throw new Error('what was built can be read')
  return transactionBytes({ ...transaction, ...change(transaction) })
}
const withOutputs = (change: (outputs: readonly Output[]) => readonly Output[]) =>
  bent(({ outputs }) => ({ outputs: change(outputs) }))
const withLast = (last: Output) => withOutputs(all => [...all.slice(0, -1), last])
const withdrawal = (value: bigint): Output => ({
  address: ownKey(1).address,
  content: {
    kind: 'withdrawal',
    ...{ value: sats(value), mainFee: sats(1n), mainScript: Uint8Array.of(0x51) },
  },
})
const inputOf = (coin: ThunderCoin, told = coin) => ({
  outPoint: coin.outPoint,
  utxoHash: utxoHash(coin.outPoint, outputOf(told)),
})
const toldOf = ({ address, value }: ThunderCoin) => ({ address, valueSats: value })
const poorer = { ...SECOND, value: sats(100n) }
const edited = batch({ feeMax: sats(90_000n) })

test.each<[string, () => Partial<ThunderSignRequest>, string]>([
  ['no approvals', () => ({ acts: [] }), '0 of 1'],
  ["strangers' approvals", () => ({ acts: approvals(batch(), ['stranger', 'eve']) }), '0 of 1'],
  ['approvals of another batch', () => ({ acts: approvals(edited, ['alice']) }), '0 of 1'],
  ['an edited manifest', () => ({ manifest: encodeManifest(edited) }), '0 of 1'],
  [
    'a manifest of another rail',
    () => {
      const other = batch({ rail: 'l1' })
      return { manifest: encodeManifest(other), acts: approvals(other, ['alice']) }
    },
    'of rail l1',
  ],
  [
    'a batch that pays no miner',
    () => {
      const move = batch({
        purpose: 'transfer',
        payees: [{ destination: STRANGER, amount: sats(1n), payouts: [] }],
      })
      return { manifest: encodeManifest(move), acts: approvals(move, ['alice']) }
    },
    'pays miners',
  ],
  ['bytes that are no transaction', () => ({ transaction: Uint8Array.of(1) }), 'cannot be read'],
  [
    'an output more',
    () => ({
      transaction: withOutputs(all => [...all, outputOf({ address: STRANGER, value: sats(1n) })]),
    }),
    'not the payees',
  ],
  ['no change', () => ({ transaction: withOutputs(all => all.slice(0, -1)) }), 'not the payees'],
  [
    'another amount',
    () => ({
      transaction: withOutputs(([first, ...rest]) => [
        outputOf({ address: first?.address ?? STRANGER, value: sats(300_001n) }),
        ...rest,
      ]),
    }),
    'not what payee 0',
  ],
  [
    'another payee',
    () => ({
      transaction: withOutputs(([, ...rest]) => [
        outputOf({ address: STRANGER, value: sats(300_000n) }),
        ...rest,
      ]),
    }),
    'not what payee 0',
  ],
  [
    'a swapped order',
    () => ({ transaction: withOutputs(all => all.toReversed()) }),
    'not what payee 0',
  ],
  [
    'change to a stranger',
    () => ({ transaction: withLast(outputOf({ address: STRANGER, value: sats(799_000n) })) }),
    'change does not go',
  ],
  [
    'change that leaves for the main chain',
    () => ({ transaction: withLast(withdrawal(700_000n)) }),
    'change does not go',
  ],
  [
    'a fee above',
    () => ({
      transaction: withLast(outputOf({ address: ownKey(1).address, value: sats(1000n) })),
    }),
    'above the approved',
  ],
  [
    'more out than in',
    () => ({
      transaction: withLast(outputOf({ address: ownKey(1).address, value: sats(10n ** 9n) })),
    }),
    'more than it spends',
  ],
  [
    'another coin in the place of the anchor',
    () => ({
      transaction: bent(() => ({ inputs: [SECOND, ANCHOR].map(coin => inputOf(coin)) })),
      spent: [SECOND, ANCHOR].map(toldOf),
    }),
    'not the anchor',
  ],
  [
    'a coin twice',
    () => ({
      transaction: bent(() => ({ inputs: [ANCHOR, ANCHOR].map(coin => inputOf(coin)) })),
      spent: [ANCHOR, ANCHOR].map(toldOf),
    }),
    'a coin twice',
  ],
  ['a coin said to hold less', () => ({ spent: [ANCHOR, poorer].map(toldOf) }), 'input 1'],
  [
    "a stranger's coin",
    () => {
      const theirs = { ...SECOND, address: STRANGER }
      return {
        transaction: bent(() => ({ inputs: [ANCHOR, theirs].map(coin => inputOf(coin)) })),
        spent: [ANCHOR, theirs].map(toldOf),
      }
    },
    'no coin of this wallet',
  ],
  ['silence about a coin', () => ({ spent: [toldOf(ANCHOR)] }), 'what each coin holds'],
])('with %s nothing is signed', async (_, change, reason) => {
  const reply = await world.ask({ ...honest(batch()), ...change() })
  expect(reply).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining(reason),
    head: { position: 1 },
  })
})

test('change must be an address of this host, whatever was approved', async () => {
  const stolen = batch({ change: STRANGER })
  const reply = await world.ask({
    ...honest(stolen),
    transaction: withLast(outputOf({ address: STRANGER, value: sats(798_999n) })),
  })
  expect(reply).toMatchObject({ kind: 'refused', reason: 'its change is not ours' })
})

test('a coin about which the pool lies gets a hash that no node takes, and no more fee', async () => {
  // Told to hold less, the same coin leaves room for a fee that nobody approved.
  const lie = { ...SECOND, value: sats(101_001n) }
  const reply = await world.ask({
    ...honest(batch()),
    transaction: bent(() => ({
      inputs: [inputOf(ANCHOR), inputOf(SECOND, lie)],
      outputs: [
        ...paymentsOf(batch(), sats(0n)),
        outputOf({ address: ownKey(1).address, value: sats(0n) }),
      ],
    })),
    spent: [ANCHOR, SECOND].map(toldOf),
  })
  expect(reply).toMatchObject({ kind: 'refused', reason: expect.stringContaining('input 1') })
})

test('a batch is signed for one manifest, in versions that share its anchor, within the day', async () => {
  const approved = batch({ batch: batchId(7n) })
  const first = honest(approved)
  const reply = await world.ask(first)
  if (reply.kind !== 'authorized') throw new Error('what is honest is signed')
  const owners = COINS.map(({ address }) => address)
  const verdict = checkAuthorizations(first.transaction, owners, reply.authorizations)
  expect(verdict).toEqual({ kind: 'authorized' })
  const again = await world.ask({ ...first, head: reply.head })
  expect(again).toEqual(reply)

  const without = honest(approved, [ANCHOR, SECOND, RIVAL], 500n)
  expect(await world.ask(without)).toMatchObject({ kind: 'authorized' })
  const elsewhere = batch({ batch: batchId(7n) }, RIVAL)
  expect(await world.ask(honest(elsewhere, [RIVAL]))).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('another manifest'),
  })
  // The two versions of one batch count once, as the memory after a restart says too.
  await world.restart()
  const rich = thunderCoin(4, 10n ** 9n)
  const payees = [{ destination: STRANGER, amount: sats(40_000_000n), payouts: [payoutId(9n)] }]
  const big = (number: bigint) => batch({ batch: batchId(number), payees }, rich)
  const ask = (manifest: CoinManifest) =>
    world.ask({ ...honest(manifest, [rich]), acts: approvals(manifest, ['alice', 'bob']) })
  expect(await ask(big(8n))).toMatchObject({ kind: 'authorized' })
  expect(await ask(big(9n))).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('per day'),
  })
})

test('a host without keys on Thunder says so', async () => {
  const bare = await signerWorld()
  const reply = await bare.ask(honest(batch()))
  expect(reply).toMatchObject({ kind: 'refused', reason: 'this host has no keys on Thunder' })
  await bare.remove()
})

test('the real program signs with the keys whose addresses it printed', async () => {
  const host = await signerHost()
  await host.start()
  const address = parseBareAddress(host.thunderAddress)
  if (address === null) throw new Error('it prints an address')
  const now = systemClock.now()
  const coin = { ...ANCHOR, address, value: sats(900_000n) }
  const approved = batch({
    change: address,
    ...{ createdAt: unixMs(now - 1000), expiresAt: unixMs(now + HOUR_MS) },
  })
  const order = {
    ...{ coins: [coin], anchor: approved.anchor, feeMax: approved.feeMax, change: address },
    payments: paymentsOf(approved, sats(0n)),
  }
  const built = buildTransaction(order, sats(10n))
  if (built.kind !== 'built') throw new Error(built.kind)
  const answer = await host.client.sign({
    ...honest(approved),
    ...{ transaction: built.bytes, spent: [toldOf(coin)] },
  })
  if (answer.kind !== 'answer' || answer.value.kind !== 'authorized')
    throw new Error(JSON.stringify(answer))
  const { authorizations } = answer.value
  expect(checkAuthorizations(built.bytes, [address], authorizations).kind).toBe('authorized')
  await host.remove()
})
