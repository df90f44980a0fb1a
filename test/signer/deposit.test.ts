import { Psbt, Transaction } from 'bitcoinjs-lib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CoinManifest } from '../../src/approval/index.ts'
import { DRIVECHAIN_OPCODES, depositOutputs } from '../../src/lib/bitcoin/drivechain.ts'
import { MAX_MONEY_SATS, sats } from '../../src/lib/money.ts'
import { checkTransaction } from '../../src/signer/transaction.ts'
import {
  addressOf,
  type Bend,
  coin,
  DEPOSITS,
  manifestOf,
  POLICY,
  psbtOf,
  requestOf,
  type SignerWorld,
  scriptOfAddress,
  signerWorld,
  type TestCoin,
  txidOfCoin,
  walletOf,
} from './world.ts'

const COIN = coin(100_000_000n, 0)
const FEE = 1000n
const AMOUNT = sats(700_000n)
const OLD = 5_000_000n
const { slot, opcode } = DEPOSITS
const [OURS = ''] = [...DEPOSITS.addresses]
const OTHER = 'JPbJrEKEaA69dAADY2qfW7dfyYQ'
const change = walletOf().descriptor.at({ chain: 1, index: 0 }).script
const CHANGE = { script: change, value: 100_000_000n - AMOUNT - FEE }

const manifest = manifestOf({
  anchor: { txid: txidOfCoin(COIN), vout: 0 },
  purpose: 'deposit',
  payees: [{ destination: OURS, amount: AMOUNT, payouts: [] }],
})

/** A coin with the script of a slot's treasury, which anybody can make. */
function treasury(value = OLD, of: Parameters<typeof depositOutputs>[0]['slot'] = slot): TestCoin {
  const made = new Transaction()
  made.version = 2
  made.addInput(new Uint8Array(32).fill(7), 0)
  const [{ script }] = depositOutputs({ slot: of, opcode, treasury: 1n, address: OURS })
  made.addOutput(script, value)
  return { made, index: 0 }
}

/** What a deposit pays. */
function pays(grown: bigint, address = OURS, of: Partial<typeof DEPOSITS> = {}) {
  return depositOutputs({ slot, opcode, ...of, treasury: grown, address })
}

const check = (
  coins: readonly TestCoin[],
  outputs: Bend['outputs'],
  of: CoinManifest = manifest,
  deposits: typeof DEPOSITS | null = DEPOSITS,
) =>
  checkTransaction(
    psbtOf(of, coins, FEE, outputs ? { outputs } : {}),
    of,
    walletOf().descriptor,
    deposits,
  )

const reasonOf = (outcome: ReturnType<typeof check>) =>
  outcome.kind === 'refused' ? outcome.reason : outcome.kind

test.each([
  ['the first deposit of a sidechain', [COIN], pays(AMOUNT), 1],
  ['a later one', [COIN, treasury()], pays(OLD + AMOUNT), 1],
  ['one from two coins of ours', [COIN, coin(5_000_000n, 1), treasury()], pays(OLD + AMOUNT), 2],
] as const)('%s is signed, all but the treasury', (_name, coins, outputs, signatures) => {
  const rest = { ...CHANGE, value: CHANGE.value + (coins.length > 2 ? 5_000_000n : 0n) }
  const outcome = check(coins, [...outputs, rest])
  if (outcome.kind !== 'good') throw new Error(outcome.reason)
  walletOf().key.sign(outcome.psbt)
  const inputs = Psbt.fromBuffer(outcome.psbt.toBuffer()).data.inputs
  expect(inputs.filter(({ partialSig }) => partialSig?.length === 1)).toHaveLength(signatures)
  expect(inputs).toHaveLength(coins.length)
})

const grown = pays(OLD + AMOUNT)
const [grownTreasury, toUs] = grown
test.each<[string, readonly TestCoin[], Bend['outputs'], string]>([
  ['a treasury that grows by less', [COIN, treasury()], [...pays(OLD + AMOUNT - 1n), CHANGE], '0'],
  ['a treasury that grows by more', [COIN, treasury()], [...pays(OLD + AMOUNT + 1n), CHANGE], '0'],
  ['a treasury that forgets what it held', [COIN, treasury()], [...pays(AMOUNT), CHANGE], '0'],
  ['a treasury from nowhere', [COIN], [...pays(OLD + AMOUNT), CHANGE], 'output 0'],
  ['another address', [COIN, treasury()], [...pays(OLD + AMOUNT, OTHER), CHANGE], 'output 1'],
  ['the address first', [COIN, treasury()], [toUs, grownTreasury, CHANGE], 'output 0'],
  ['no address', [COIN, treasury()], [grownTreasury, CHANGE], 'not the payees'],
  ['no treasury', [COIN, treasury()], [toUs, CHANGE], 'not the payees'],
  [
    'an output more',
    [COIN, treasury()],
    [...grown, { script: scriptOfAddress(9), value: 1n }, CHANGE],
    'not the payees',
  ],
  [
    'change to a stranger',
    [COIN, treasury()],
    [...grown, { ...CHANGE, script: scriptOfAddress(9) }],
    'change',
  ],
  ['another slot', [COIN, treasury(OLD, 3)], [...grown, CHANGE], 'no coin of this wallet'],
  [
    'another opcode',
    [COIN, treasury()],
    [...pays(OLD + AMOUNT, OURS, { opcode: DRIVECHAIN_OPCODES.nop8 } as never), CHANGE],
    'output 0',
  ],
  ['two treasuries', [COIN, treasury(), treasury(OLD + 1n)], [...grown, CHANGE], 'no coin of'],
  ['the treasury as its anchor', [treasury(), COIN], [...grown, CHANGE], 'no coin of this wallet'],
  ['nothing of ours', [treasury()], [...grown, CHANGE], 'no coin of this wallet'],
  [
    'a fee above the approved',
    [COIN, treasury()],
    [...grown, { ...CHANGE, value: 90_000_000n }],
    'fee',
  ],
  [
    'more bitcoin than there is',
    [COIN, treasury(MAX_MONEY_SATS)],
    [...grown, CHANGE],
    'all bitcoin',
  ],
])('a deposit with %s is refused', (_name, coins, outputs, reason) => {
  expect(reasonOf(check(coins, outputs))).toContain(reason)
})

test('an address that this host does not know is refused, whatever was approved', () => {
  const of = { ...manifest, payees: [{ destination: OTHER, amount: AMOUNT, payouts: [] }] }
  const outputs = [...pays(OLD + AMOUNT, OTHER), CHANGE]
  expect(reasonOf(check([COIN, treasury()], outputs, of))).toContain('no Thunder address of ours')
  expect(reasonOf(check([COIN], [...pays(AMOUNT), CHANGE], manifest, null))).toContain(
    'knows no address',
  )
})

test.each(['transfer', 'consolidation'] as const)('a %s spends no treasury', purpose => {
  const payees =
    purpose === 'transfer' ? [{ destination: addressOf(1), amount: AMOUNT, payouts: [] }] : []
  const of = { ...manifest, purpose, payees }
  expect(reasonOf(check([COIN, treasury()], undefined, of))).toContain('no coin of this wallet')
})

let world: SignerWorld
beforeAll(async () => {
  world = await signerWorld({ policy: { ...POLICY, allowList: new Set([addressOf(1)]) } })
})
afterAll(() => world.remove())

test('a list of destinations keeps no deposit from us, and every version has the same anchor', async () => {
  const sign = (value: bigint) => {
    const coins = [COIN, treasury(value)]
    const psbt = psbtOf(manifest, coins, FEE, { outputs: [...pays(value + AMOUNT), CHANGE] })
    return world.ask(requestOf(manifest, psbt))
  }
  for (const value of [OLD, OLD + 1n, OLD])
    expect(await sign(value)).toMatchObject({ kind: 'signed' })
})
