import { Transaction } from 'bitcoinjs-lib'
import { describe, expect, test } from 'vitest'
import {
  DRIVECHAIN_OPCODES,
  depositOutputs,
  readDepositAddress,
  readTreasuryOutput,
  treasuryScript,
  withdrawalId,
  withdrawalTransaction,
} from '../../../src/lib/bitcoin/drivechain.ts'
import { fromHex, reversed, toHex, utf8 } from '../../../src/lib/bytes.ts'
import { txid } from '../../../src/lib/ids.ts'
import { recordedBlock } from '../../bmm/recorded.ts'
import messages from '../../vectors/bmm-messages.json' with { type: 'json' }

const { nop5, nop8 } = DRIVECHAIN_OPCODES

describe('a treasury output', () => {
  test('is four bytes with the opcode of the network', () => {
    expect(toHex(treasuryScript({ slot: 9, opcode: nop5 }))).toBe('b4010951')
    expect(toHex(treasuryScript({ slot: 255, opcode: nop8 }))).toBe('b701ff51')
    expect(readTreasuryOutput(fromHex('b4010951'), nop5)).toBe(9)
    expect(readTreasuryOutput(fromHex('b4010951'), nop8)).toBeNull()
  })

  for (const script of ['b4010952', 'b4020951', 'b5010951', 'b401095151', ''])
    test(`is not "${script}"`, () => expect(readTreasuryOutput(fromHex(script), nop5)).toBeNull())
})

describe('a deposit', () => {
  const { raw, txid: id, before, amount, address } = messages.deposit

  test('has the outputs of the worked example', () => {
    const transaction = Transaction.fromBuffer(fromHex(raw))
    expect(transaction.getId()).toBe(id)
    const outputs = depositOutputs({
      ...{ slot: 9, opcode: nop5, address },
      treasury: BigInt(before) + BigInt(amount),
    })
    const expected = transaction.outs.slice(0, 2).map(({ value, script }) => ({ value, script }))
    expect(outputs.map(({ value, script }) => [value, toHex(script)])).toEqual(
      expected.map(({ value, script }) => [value, toHex(script)]),
    )
    expect(readDepositAddress(outputs[1].script)).toEqual(utf8(address))
  })

  test('never carries the deposit form of an address', () => {
    const wrapped = 's9_8twUkpctzwgbjqi5o14qWjrD9uk_ca9565'
    const deposit = { slot: 9, opcode: nop5, treasury: 1n, address: wrapped }
    expect(() => depositOutputs(deposit)).toThrow('bare address')
  })
})

describe('a withdrawal', () => {
  test('has the id that the recorded votes were for, and its recorded bytes', () => {
    const [, m6] = recordedBlock('M6 withdrawal bundle payout').transactions ?? []
    if (!m6) throw new Error('the recorded block has a withdrawal')
    const [treasury, ...payouts] = m6.outs
    const [input] = m6.ins
    if (!treasury || !input) throw new Error('it has a treasury')
    const coin = txid(toHex(reversed(input.hash)))
    const withdrawal = {
      version: m6.version,
      locktime: m6.locktime,
      treasury: treasury.value,
      payouts: payouts.map(({ value, script }) => ({ value, script })),
    }
    const before = recordedBlock('M5 second deposit (spends the treasury coin)')
      .transactions?.flatMap(({ outs }) => outs)
      .find(({ script }) => readTreasuryOutput(script, nop5) === 9)?.value
    const [m3] = recordedBlock('M3 bundle proposal; M4 votes').transactions?.[0]?.outs ?? []
    const id = withdrawalId(withdrawal, before ?? 0n)
    expect(`6a25d45aa94309${toHex(reversed(fromHex(id)))}`).toBe(toHex(m3?.script ?? fromHex('')))
    const raw = withdrawalTransaction(withdrawal, {
      ...{ txid: coin, vout: input.index, slot: 9, opcode: nop5 },
    })
    expect(toHex(raw)).toBe(m6.toHex())
  })
})
