import type { Transaction } from 'bitcoinjs-lib'

/** One signature operation outside a witness counts so many times. Source: BIP 141. */
const WITNESS_SCALE = 4
/** What OP_CHECKMULTISIG counts where nobody looks how many keys it has. */
const MULTISIG_KEYS_MAX = 20

const OP_0 = 0x00
const OP_PUSHDATA1 = 0x4c
const OP_PUSHDATA2 = 0x4d
const OP_PUSHDATA4 = 0x4e
const OP_1 = 0x51
const OP_16 = 0x60
const CHECKSIGS = [0xac, 0xad]
const CHECKMULTISIGS = [0xae, 0xaf]
const [KEY_HASH_BYTES, SCRIPT_HASH_BYTES] = [20, 32]

/**
 * What a transaction costs of a block's 80,000 signature operations.
 *
 * @param spent the script of each input's coin, in order. A witness program of version 0 and a script
 *   without hash are counted; an input of a pay-to-script-hash coin is counted as if it had no script
 *   behind the hash, so such coins must not be given
 * Source: BIP 141; Bitcoin Core, GetTransactionSigOpCost. Held to the node's own count by test.
 */
export function sigopCost(transaction: Transaction, spent: readonly Uint8Array[]): number {
  const { ins, outs } = transaction
  const legacy = [...ins, ...outs].reduce((sum, { script }) => sum + sigopsIn(script, false), 0)
  const witness = ins.reduce(
    (sum, input, index) => sum + witnessSigops(spent[index] ?? new Uint8Array(), input.witness),
    0,
  )
  return WITNESS_SCALE * legacy + witness
}

/** Of later versions nothing counts: taproot has a budget of its own in each input (BIP 342). */
function witnessSigops(script: Uint8Array, witness: readonly Uint8Array[]): number {
  const [version, push] = script
  if (version !== OP_0 || push === undefined || script.length !== push + 2) return 0
  if (push === KEY_HASH_BYTES) return 1
  return push === SCRIPT_HASH_BYTES ? sigopsIn(witness.at(-1) ?? new Uint8Array(), true) : 0
}

/** @param isAccurate whether the number of keys before OP_CHECKMULTISIG is believed */
function sigopsIn(script: Uint8Array, isAccurate: boolean): number {
  let sum = 0
  let before = -1
  for (let at = 0; at < script.length; ) {
    const opcode = script[at] ?? 0
    if (CHECKSIGS.includes(opcode)) sum += 1
    if (CHECKMULTISIGS.includes(opcode))
      sum += isAccurate && before >= OP_1 && before <= OP_16 ? before - OP_1 + 1 : MULTISIG_KEYS_MAX
    const next = afterOpcode(script, at)
    // What cannot be read on has been counted so far, as Core does it.
    if (next > script.length) break
    before = opcode
    at = next
  }
  return sum
}

/** Where the next opcode is: behind the bytes that this one pushes. */
function afterOpcode(script: Uint8Array, at: number): number {
  const opcode = script[at] ?? 0
  const little = (bytes: number) => {
    let size = 0
    for (let i = bytes; i > 0; i--) size = size * 256 + (script[at + i] ?? 0)
    return at + 1 + bytes + size
  }
  if (opcode < OP_PUSHDATA1) return at + 1 + opcode
  if (opcode === OP_PUSHDATA1) return little(1)
  if (opcode === OP_PUSHDATA2) return little(2)
  return opcode === OP_PUSHDATA4 ? little(4) : at + 1
}
