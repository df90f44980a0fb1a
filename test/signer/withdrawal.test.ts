import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type CoinManifest,
  encodeManifest,
  type ThunderSignRequest,
} from '../../src/approval/index.ts'
import { sats } from '../../src/lib/money.ts'
import { scriptOfMainAddress } from '../../src/lib/thunder/main-address.ts'
import { type Output, transactionBytes, utxoHash } from '../../src/lib/thunder/transaction.ts'
import { paymentsOf } from '../../src/payouts/rails/thunder/payments.ts'
import {
  buildTransaction,
  outpointOf,
  outputOf,
  type ThunderCoin,
} from '../../src/payouts/rails/thunder/transaction.ts'
import { checkThunderTransaction, thunderWallet } from '../../src/signer/thunder.ts'
import { ownKey, THUNDER_SEED, thunderAddressOf, thunderCoin } from '../payouts/thunder-order.ts'
import {
  addressOf,
  approvals,
  changeAddress,
  manifestOf,
  POLICY,
  type SignerWorld,
  signerWorld,
  walletOf,
} from './world.ts'

// Whoever has the pool's host knows what was approved, and builds what is signed.
const COIN = thunderCoin(0, 1_000_000n)
const AMOUNT = sats(700_000n)
const MAIN_FEE = 1500n
const FEE = 100n
const INDEX = 7
const OURS = walletOf().descriptor.at({ chain: 0, index: INDEX }).address
const CHANGE = ownKey(1).address
const [STRANGER, THEIRS] = [thunderAddressOf(666), addressOf(666)]

function withdrawal(change: Partial<CoinManifest> = {}): CoinManifest {
  return manifestOf({
    ...{ rail: 'thunder', purpose: 'withdrawal', anchor: outpointOf(COIN), change: CHANGE },
    payees: [{ destination: OURS, amount: AMOUNT, payouts: [] }],
    feeMax: sats(FEE + MAIN_FEE),
    ...change,
  })
}

function leaves(over: Partial<Extract<Output['content'], { kind: 'withdrawal' }>> = {}): Output {
  const mainScript = scriptOfMainAddress(OURS)
  if (mainScript === null) throw new Error('it is an address')
  const content = { value: AMOUNT, mainFee: sats(MAIN_FEE), mainScript, ...over }
  return { address: CHANGE, content: { kind: 'withdrawal', ...content } }
}
const stays = (value: bigint, address = CHANGE) => outputOf({ address, value: sats(value) })
const LEFT = COIN.value - AMOUNT - MAIN_FEE - FEE

function bytesOf(outputs: readonly Output[], coin: ThunderCoin = COIN): Uint8Array {
  const inputs = [{ outPoint: coin.outPoint, utxoHash: utxoHash(coin.outPoint, outputOf(coin)) }]
  return transactionBytes({ inputs, outputs })
}
const spent = [{ address: COIN.address, valueSats: COIN.value }]
const wallet = thunderWallet(THUNDER_SEED, 2)
const home = walletOf().descriptor

const check = (
  outputs: readonly Output[],
  manifest: CoinManifest = withdrawal(),
  payeeIndex: number | undefined = INDEX,
) => {
  const asked = { transaction: bytesOf(outputs), spent, payeeIndex }
  const outcome = checkThunderTransaction(asked, manifest, { wallet, home })
  return outcome.kind === 'refused' ? outcome.reason : outcome.kind
}

test('what the rail builds of a withdrawal is what the host signs', () => {
  const manifest = withdrawal()
  const payments = paymentsOf(manifest, sats(MAIN_FEE))
  const order = { ...manifest, coins: [COIN], payments, change: CHANGE }
  const built = buildTransaction(order, sats(FEE))
  if (built.kind !== 'built') throw new Error(built.kind)
  expect(built.bytes).toEqual(bytesOf([leaves(), stays(LEFT)]))
  expect(check([leaves(), stays(LEFT)])).toBe('good')
  expect(buildTransaction(order, sats(FEE + 1n))).toEqual({ kind: 'too dear' })
})

const toThem = { payees: [{ destination: THEIRS, amount: AMOUNT, payouts: [] }] }
const toOurChange = {
  payees: [{ destination: changeAddress(INDEX), amount: AMOUNT, payouts: [] }],
}
const theirScript = scriptOfMainAddress(THEIRS) ?? new Uint8Array()

test.each<[string, readonly Output[], CoinManifest, number | undefined, string]>([
  [
    'another address on the main chain',
    [leaves({ mainScript: theirScript }), stays(LEFT)],
    withdrawal(),
    INDEX,
    'not what was approved',
  ],
  [
    'an address that is not ours, though it was approved',
    [leaves({ mainScript: theirScript }), stays(LEFT)],
    withdrawal(toThem),
    INDEX,
    'not go to the address of our hot wallet',
  ],
  [
    'an address of the chain of change',
    [leaves({ mainScript: scriptOfMainAddress(changeAddress(INDEX)) ?? theirScript }), stays(LEFT)],
    withdrawal(toOurChange),
    INDEX,
    'not go to the address of our hot wallet',
  ],
  ['a hint to another place', [leaves(), stays(LEFT)], withdrawal(), INDEX + 1, 'not go to'],
  ['no hint', [leaves(), stays(LEFT)], withdrawal(), undefined, 'not go to'],
  [
    'a main fee larger than was approved',
    [leaves({ mainFee: sats(MAIN_FEE + FEE + 1n) }), stays(LEFT - FEE - 1n + FEE)],
    withdrawal(),
    INDEX,
    'above the approved',
  ],
  [
    'all that is left as main fee',
    [leaves({ mainFee: sats(MAIN_FEE + LEFT - 1n) }), stays(1n)],
    withdrawal(),
    INDEX,
    'above the approved',
  ],
  [
    'less for us',
    [leaves({ value: sats(AMOUNT - 1n) }), stays(LEFT + 1n)],
    withdrawal(),
    INDEX,
    'not what was approved',
  ],
  [
    'more that leaves',
    [leaves({ value: sats(AMOUNT + 1n) }), stays(LEFT - 1n)],
    withdrawal(),
    INDEX,
    'not what was approved',
  ],
  [
    'an owner on Thunder who is not us',
    [{ ...leaves(), address: STRANGER }, stays(LEFT)],
    withdrawal(),
    INDEX,
    'not ours on Thunder',
  ],
  [
    'a second withdrawal',
    [leaves(), leaves({ mainScript: theirScript, value: sats(1n) }), stays(LEFT - MAIN_FEE - 1n)],
    withdrawal(),
    INDEX,
    'not the payees and one change',
  ],
  [
    'a value output to a stranger',
    [leaves(), stays(1000n, STRANGER), stays(LEFT - 1000n)],
    withdrawal(),
    INDEX,
    'not the payees and one change',
  ],
  [
    'a value output in the place of the withdrawal',
    [stays(AMOUNT, STRANGER), stays(LEFT + MAIN_FEE)],
    withdrawal(),
    INDEX,
    'no withdrawal',
  ],
  [
    'a change that leaves too',
    [leaves(), leaves({ value: sats(LEFT - MAIN_FEE), mainScript: theirScript })],
    withdrawal(),
    INDEX,
    'change does not go',
  ],
  [
    'change to a stranger',
    [leaves(), stays(LEFT, STRANGER)],
    withdrawal({ change: STRANGER }),
    INDEX,
    'not ours',
  ],
  ['no change', [leaves()], withdrawal(), INDEX, 'not the payees and one change'],
  [
    'a batch that pays miners',
    [leaves(), stays(LEFT)],
    manifestOf({ rail: 'thunder', anchor: outpointOf(COIN), change: CHANGE }),
    INDEX,
    'not the payees',
  ],
])('a withdrawal with %s is not signed', (_, outputs, manifest, index, reason) => {
  const asked = { transaction: bytesOf(outputs), spent, payeeIndex: index }
  const outcome = checkThunderTransaction(asked, manifest, { wallet, home })
  expect(outcome).toEqual({ kind: 'refused', reason: expect.stringContaining(reason) })
})

test('a host without a wallet on the main chain signs no withdrawal', () => {
  const asked = { transaction: bytesOf([leaves(), stays(LEFT)]), spent, payeeIndex: INDEX }
  expect(checkThunderTransaction(asked, withdrawal(), { wallet, home: null })).toMatchObject({
    kind: 'refused',
  })
})

let world: SignerWorld
beforeAll(async () => {
  const policy = { ...POLICY, allowList: new Set<string>() }
  world = await signerWorld({ policy, thunder: wallet })
})
afterAll(() => world.remove())

test('an approved withdrawal is signed though no list of destinations names its address', async () => {
  const manifest = withdrawal()
  const asked: ThunderSignRequest = {
    rail: 'thunder',
    manifest: encodeManifest(manifest),
    acts: approvals(manifest, ['alice']),
    ...{ transaction: bytesOf([leaves(), stays(LEFT)]), spent, payeeIndex: INDEX, head: null },
  }
  expect(await world.ask({ ...asked, acts: [] })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('0 of 1'),
  })
  expect(await world.ask(asked)).toMatchObject({ kind: 'authorized' })
})
