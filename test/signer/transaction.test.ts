import { Psbt, Transaction } from 'bitcoinjs-lib'
import { expect, test } from 'vitest'
import type { CoinManifest } from '../../src/approval/index.ts'
import { sats } from '../../src/lib/money.ts'
import { checkTransaction } from '../../src/signer/transaction.ts'
import {
  addressOf,
  type Bend,
  changeAddress,
  coin,
  DEPOSITS,
  type Kind,
  manifestOf,
  psbtOf,
  scriptOfAddress,
  txidOfCoin,
  walletOf,
} from './world.ts'

const COIN = coin(100_000_000n, 0)
const ANCHOR = { txid: txidOfCoin(COIN), vout: 0 }
const FEE = 1000n
const manifest = manifestOf({ anchor: ANCHOR })
const change = walletOf().descriptor.at({ chain: 1, index: 0 }).script
const rest = 100_000_000n - 700_000n - FEE
const stranger = scriptOfAddress(99)
const first = { script: scriptOfAddress(1), value: 300_000n }
const second = { script: scriptOfAddress(2), value: 400_000n }

const check = (psbt: Uint8Array, of: CoinManifest = manifest, kind: Kind = 'wpkh') =>
  checkTransaction(psbt, of, walletOf(kind).descriptor, DEPOSITS)

const reasonOf = (outcome: ReturnType<typeof check>) =>
  outcome.kind === 'refused' ? outcome.reason : outcome.kind

/** Whether the checked PSBT, once signed, is a transaction whose every signature is good. */
function isSpendable(outcome: ReturnType<typeof check>, kind: Kind = 'wpkh'): boolean {
  if (outcome.kind !== 'good') return false
  walletOf(kind).key.sign(outcome.psbt)
  const read = Psbt.fromBuffer(outcome.psbt.toBuffer())
  read.finalizeAllInputs()
  const { ins } = read.extractTransaction(true)
  return ins.every(({ witness }) => witness.length > 0)
}

test('what an honest pool builds is made anew and signed', () => {
  expect(isSpendable(check(psbtOf(manifest, [COIN], FEE)))).toBe(true)
})

test('a fee of exactly what was approved is good', () => {
  expect(isSpendable(check(psbtOf(manifest, [COIN], 20_000n)))).toBe(true)
})

const bends: readonly (readonly [string, Bend, string])[] = [
  ['no previous transaction', { witnessOnly: true }, 'without the transaction'],
  ['no place in our wallet', { hints: false }, 'no coin of this wallet'],
  ['SIGHASH_NONE', { sighashType: Transaction.SIGHASH_NONE }, 'does not cover'],
  ['SIGHASH_SINGLE', { sighashType: Transaction.SIGHASH_SINGLE }, 'does not cover'],
  ['ALL|ANYONECANPAY', { sighashType: 0x81 }, 'does not cover'],
  ['a final sequence', { sequence: 0xffffffff }, 'another form'],
  ['a lock time', { locktime: 500 }, 'another form'],
  ['another version', { version: 1 }, 'another form'],
  ['change to another place of ours', { changeIndex: 1 }, 'change does not go where'],
  [
    'an extra output',
    { outputs: [first, second, { script: stranger, value: 1n }, { script: change, value: rest }] },
    'not the payees and one change',
  ],
  ['no change', { outputs: [first, second] }, 'not the payees and one change'],
  [
    'a payee less',
    { outputs: [first, { script: change, value: rest }] },
    'not the payees and one change',
  ],
  [
    'a changed amount',
    { outputs: [first, { ...second, value: 400_001n }, { script: change, value: rest }] },
    'output 1 is not what payee 1',
  ],
  [
    'another payee',
    { outputs: [first, { ...second, script: stranger }, { script: change, value: rest }] },
    'output 1 is not what payee 1',
  ],
  [
    'a swapped order',
    { outputs: [second, first, { script: change, value: rest }] },
    'output 0 is not what payee 0',
  ],
  [
    'change to a stranger',
    { outputs: [first, second, { script: stranger, value: rest }] },
    'change does not go where',
  ],
  [
    'a fee above the approved',
    { outputs: [first, second, { script: change, value: 99_279_999n }] },
    'fee of 20001 sat',
  ],
  [
    'more paid than spent',
    { outputs: [first, second, { script: change, value: 99_300_001n }] },
    'more than it spends',
  ],
]

test.each(bends)('a PSBT with %s is refused', (_, bend, reason) => {
  expect(reasonOf(check(psbtOf(manifest, [COIN], FEE, bend)))).toContain(reason)
})

test('the anchor comes first, whatever else is spent', () => {
  const other = coin(5_000_000n, 1)
  for (const coins of [[other], [other, COIN]])
    expect(reasonOf(check(psbtOf(manifest, coins, FEE)))).toContain('not the anchor')
  expect(isSpendable(check(psbtOf(manifest, [COIN, other], FEE)))).toBe(true)
})

test('an approved change that is no script of ours is refused', () => {
  const foreign = manifestOf({ anchor: ANCHOR, change: addressOf(99) })
  const outputs = [first, second, { script: stranger, value: rest }]
  const psbt = psbtOf(foreign, [COIN], FEE, { outputs })
  expect(reasonOf(check(psbt, foreign))).toContain('its change is not ours')
})

test('change deeper in the wallet than a seed would be searched is refused', () => {
  const deep = manifestOf({ anchor: ANCHOR, change: changeAddress(1_000_001) })
  const psbt = psbtOf(deep, [COIN], FEE, { changeIndex: 1_000_001 })
  expect(reasonOf(check(psbt, deep))).toContain('its change is not ours')
})

test('a coin of somebody else is refused', () => {
  const made = new Transaction()
  made.addInput(new Uint8Array(32).fill(9), 0)
  made.addOutput(stranger, 100_000_000n)
  const foreign = { made, index: 0 }
  const of = manifestOf({ anchor: { txid: txidOfCoin(foreign), vout: 0 } })
  expect(reasonOf(check(psbtOf(of, [foreign], FEE), of))).toContain('no coin of this wallet')
})

test('a batch that pays only ourselves is one output of ours', () => {
  const own = manifestOf({ anchor: ANCHOR, purpose: 'consolidation', payees: [] })
  const coins = [COIN, coin(1_000_000n, 1), coin(2_000_000n, 2)]
  expect(isSpendable(check(psbtOf(own, coins, FEE), own))).toBe(true)
  const outputs = [{ script: stranger, value: 102_999_000n }]
  expect(reasonOf(check(psbtOf(own, coins, FEE, { outputs }), own))).toContain('change does not go')
})

test('bytes that are no PSBT are refused', () => {
  for (const bytes of [new Uint8Array(), new Uint8Array(100).fill(1)])
    expect(reasonOf(check(bytes))).toContain('cannot be read')
})

test('two versions that each lie about one coin are both refused', () => {
  const both = manifestOf({ anchor: ANCHOR })
  const honest = psbtOf(both, [COIN, coin(90_000_000n, 1)], FEE)
  // Version 0 of segwit signs each coin's own amount only. With the other coin made small in each,
  // both fees would look right, and one signature of each together would spend it all on fees.
  for (const index of [0, 1]) {
    const psbt = Psbt.fromBuffer(honest)
    const input = psbt.data.inputs[index]
    const made = input?.nonWitnessUtxo && Transaction.fromBuffer(input.nonWitnessUtxo)
    const out = made?.outs[0]
    if (!input || !made || !out) throw new Error('an honest PSBT has it')
    out.value = 1_000_000n
    input.nonWitnessUtxo = made.toBuffer()
    input.witnessUtxo = { ...out }
    const reply = check(new Uint8Array(psbt.toBuffer()), both)
    expect(reasonOf(reply)).toContain(`input ${index} comes without the transaction`)
  }
})

test('what a witness alone says of an amount is not read', () => {
  const psbt = Psbt.fromBuffer(psbtOf(manifest, [COIN], FEE))
  const [input] = psbt.data.inputs
  if (!input?.witnessUtxo) throw new Error('an honest PSBT has it')
  input.witnessUtxo = { ...input.witnessUtxo, value: 1n }
  const outcome = check(new Uint8Array(psbt.toBuffer()))
  if (outcome.kind !== 'good') throw new Error(outcome.reason)
  expect(outcome.psbt.data.inputs[0]?.witnessUtxo?.value).toBe(100_000_000n)
})

test('a Taproot wallet signs, and there too every coin is proven', () => {
  const own = coin(100_000_000n, 0, 'tr')
  const anchor = { txid: txidOfCoin(own), vout: 0 }
  const of = manifestOf({ anchor, change: changeAddress(0, 'tr'), feeMax: sats(20_000n) })
  expect(isSpendable(check(psbtOf(of, [own], FEE), of, 'tr'), 'tr')).toBe(true)
  const bare = psbtOf(of, [own], FEE, { witnessOnly: true })
  expect(reasonOf(check(bare, of, 'tr'))).toContain('without the transaction')
})
