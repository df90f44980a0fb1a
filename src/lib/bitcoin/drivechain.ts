import { assert } from '../assert.ts'
import { concat, fromHex, reversed, toHex, utf8 } from '../bytes.ts'
import { type Txid, txid } from '../ids.ts'
import { MAX_MONEY_SATS } from '../money.ts'
import { sha256d } from './hash.ts'
import { opReturnOf, readOpReturn } from './op-return.ts'
import { compactSize, type Output, outputBytes } from './tx.ts'

/** OP_DRIVECHAIN is a NOP to plain nodes; which one, the network decides. */
export const DRIVECHAIN_OPCODES = { nop5: 0xb4, nop8: 0xb7 } as const
export type DrivechainOpcode = (typeof DRIVECHAIN_OPCODES)[keyof typeof DRIVECHAIN_OPCODES]

const PUSH_1 = 0x01
const OP_TRUE = 0x51
const TREASURY_SCRIPT_BYTES = 4

export type Treasury = { readonly slot: number; readonly opcode: DrivechainOpcode }

/** The script of a slot's treasury: OP_DRIVECHAIN, the slot, OP_TRUE. Source: BIP 300 as enforced. */
export function treasuryScript({ slot, opcode }: Treasury): Uint8Array {
  assert(Number.isInteger(slot) && slot >= 0 && slot <= 0xff, 'a slot is one byte')
  return Uint8Array.of(opcode, PUSH_1, slot, OP_TRUE)
}

/**
 * Whose treasury an output is. It counts only in a transaction after the coinbase, and only where
 * the slot is active; elsewhere anybody may spend it.
 *
 * @returns the slot, or null for any other script
 */
export function readTreasuryOutput(script: Uint8Array, opcode: DrivechainOpcode): number | null {
  const [first, push, slot, last] = script
  const isTreasury =
    script.length === TREASURY_SCRIPT_BYTES &&
    first === opcode &&
    push === PUSH_1 &&
    last === OP_TRUE
  return isTreasury ? (slot ?? null) : null
}

/**
 * The two outputs that make a transaction a deposit (M5), to stand next to each other in this
 * order. Its first input must be the slot's treasury coin, unless there is none yet.
 *
 * @param treasury what the treasury holds afterwards: the old coin's value and the deposit
 * @param address the sidechain's own form of it, for Thunder the bare one; the deposit form burns
 *   the money
 */
export function depositOutputs(deposit: {
  readonly slot: number
  readonly opcode: DrivechainOpcode
  readonly treasury: bigint
  readonly address: string
}): readonly [Output, Output] {
  const { treasury, address } = deposit
  assert(treasury > 0n && treasury <= MAX_MONEY_SATS, 'a treasury holds a positive amount')
  assert(/^[1-9A-HJ-NP-Za-km-z]{1,75}$/.test(address), 'a deposit names a bare address')
  return [
    { value: treasury, script: treasuryScript(deposit) },
    { value: 0n, script: opReturnOf(utf8(address)) },
  ]
}

/**
 * Whom a deposit credits: the text of the output after the treasury's.
 *
 * @returns null where a block with such a deposit is refused
 */
export function readDepositAddress(script: Uint8Array): Uint8Array | null {
  return readOpReturn(script)
}

/** What a withdrawal (M6) pays: its treasury output comes first and its only input is the treasury. */
export type Withdrawal = {
  readonly version: number
  readonly locktime: number
  /** What stays in the treasury. */
  readonly treasury: bigint
  readonly payouts: readonly Output[]
}

/**
 * The id by which miners vote on a withdrawal (M3, M4): the txid of its blinded form, which has no
 * inputs, and the fee as 8 bytes, most significant first, where the treasury output is.
 *
 * @param before what the treasury held
 * @returns display order; M3 carries the internal one
 */
export function withdrawalId({ payouts, treasury, ...rest }: Withdrawal, before: bigint): Txid {
  const paid = payouts.reduce((sum, { value }) => sum + value, 0n)
  const fee = before - treasury - paid
  assert(fee >= 0n, 'a withdrawal pays no more than the treasury loses')
  const outputs = [{ value: 0n, script: opReturnOf(u64Be(fee)) }, ...payouts]
  return txidOf(withdrawalBytes(rest, [], outputs))
}

/** The withdrawal itself, from a treasury coin. Its input has neither script nor witness. */
export function withdrawalTransaction(
  { payouts, treasury, ...rest }: Withdrawal,
  coin: { readonly txid: Txid; readonly vout: number } & Treasury,
): Uint8Array {
  const outpoint = concat(reversed(fromHex(coin.txid)), u32Le(coin.vout))
  const input = concat(outpoint, compactSize(0), u32Le(0xffffffff))
  const outputs = [{ value: treasury, script: treasuryScript(coin) }, ...payouts]
  return withdrawalBytes(rest, [input], outputs)
}

/**
 * Whether a transaction is a withdrawal by its form: the treasury's coin alone is spent, and renewed
 * as the first output. A deposit spends coins of its own besides. Whether it had the votes is for
 * enforcers to say: they refuse a block with one that had not.
 *
 * @param inputs how many it has
 */
export function isWithdrawal(
  { inputs, outputs }: { readonly inputs: number; readonly outputs: readonly Output[] },
  { slot, opcode }: Treasury,
): boolean {
  const [first] = outputs
  const renews = first !== undefined && readTreasuryOutput(first.script, opcode) === slot
  return inputs === 1 && renews
}

function withdrawalBytes(
  { version, locktime }: Pick<Withdrawal, 'version' | 'locktime'>,
  inputs: readonly Uint8Array[],
  outputs: readonly Output[],
): Uint8Array {
  return concat(
    u32Le(version),
    compactSize(inputs.length),
    ...inputs,
    compactSize(outputs.length),
    ...outputs.map(outputBytes),
    u32Le(locktime),
  )
}

function txidOf(bytes: Uint8Array): Txid {
  return txid(toHex(reversed(sha256d(bytes))))
}

function u32Le(n: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, n, true)
  return bytes
}

function u64Be(n: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, n)
  return bytes
}
