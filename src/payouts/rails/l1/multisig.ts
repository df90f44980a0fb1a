import { z } from 'zod'
import { assert } from '../../../lib/assert.ts'

/** What a wallet's coins ask for where several people hold its keys. */
export type Multisig = {
  /** P2WSH, or a script path of P2TR. */
  readonly kind: 'wsh' | 'tr'
  /** Signatures that are needed. */
  readonly required: number
  /** Of how many keys. */
  readonly keys: number
}

/** More keys than these would need other opcodes for their numbers. */
const KEYS_MAX = 16
/** Outpoint, empty script, sequence: 41 bytes outside the witness. */
const BARE_INPUT_WEIGHT = 164
/** Its length, then DER with a low S and a byte for its type. Source: BIP 66, BIP 146. */
const ECDSA_SIGNATURE_BYTES = 1 + 72
/** Its length, then a signature that covers everything. Source: BIP 341. */
const SCHNORR_SIGNATURE_BYTES = 1 + 64
/** Its length, then one byte and the internal key: the only script has no path. Source: BIP 341. */
const CONTROL_BLOCK_BYTES = 1 + 33
/** A key of 33 bytes with its push; in taproot 32 with a push and an opcode behind it. */
const KEY_BYTES = 34

/**
 * Reads the descriptor of a multisig wallet.
 *
 * @param text `wsh(sortedmulti(…))`, `wsh(multi(…))`, `tr(key,sortedmulti_a(…))` or
 *   `tr(key,multi_a(…))`, with or without a checksum; see BIP 383 and 387
 * @returns null where it is none of these
 */
export function parseMultisig(text: string): Multisig | null {
  const found =
    /^wsh\((?:sorted)?multi\((\d{1,2})((?:,[^(),]+)+)\)\)(?:#\w{8})?$/.exec(text) ??
    /^tr\([^(),]+,(?:sorted)?multi_a\((\d{1,2})((?:,[^(),]+)+)\)\)(?:#\w{8})?$/.exec(text)
  if (found === null) return null
  const required = Number(found[1])
  const keys = (found[2] ?? '').split(',').length - 1
  if (required < 1 || required > keys || keys > KEYS_MAX) return null
  return { kind: text.startsWith('wsh') ? 'wsh' : 'tr', required, keys }
}

/** A wallet's descriptor as a configuration has it, where its coins need several signatures. */
export const multisigSchema = z
  .string()
  .max(5000)
  .transform(parseMultisig)
  .pipe(z.custom<Multisig>(read => read !== null, 'neither wsh(multi(…)) nor tr(key,multi_a(…))'))

/**
 * What an input of the wallet weighs at most once it is signed. Its witness is a count, what
 * satisfies the script, the script, and in taproot the control block.
 */
export function multisigInputWeight({ kind, required, keys }: Multisig): number {
  assert(required >= 1 && required <= keys && keys <= KEYS_MAX, 'a multisig can be satisfied')
  // The numbers and the opcode that checks: 0 < m, n ≤ 16 take one byte each.
  const script = keys * KEY_BYTES + (kind === 'wsh' ? 3 : 2)
  const scriptBytes = (script < 253 ? 1 : 3) + script
  const satisfaction =
    kind === 'wsh'
      ? 1 + required * ECDSA_SIGNATURE_BYTES
      : required * SCHNORR_SIGNATURE_BYTES + (keys - required) + CONTROL_BLOCK_BYTES
  return BARE_INPUT_WEIGHT + 1 + satisfaction + scriptBytes
}
