import { sha256 } from '@noble/hashes/sha2.js'
import { type OperatorKey, taggedHash, verifySignature } from '../approval/index.ts'
import { utf8 } from '../lib/bytes.ts'

/** What an operator signs to set how a payee is paid, for a reason that everyone can read. */
export type SettingsAct = {
  readonly operator: OperatorKey
  /** The same text that the payee would sign; payouts/settings.ts writes it. */
  readonly text: string
  readonly reason: string
  /** BIP 340, 64 bytes. */
  readonly signature: Uint8Array
}

/** The 32 bytes that are signed: tag `sidepool/settings/1` over the hashes of text and reason. */
export function settingsActHash(text: string, reason: string): Uint8Array {
  return taggedHash('sidepool/settings/1', sha256(utf8(text)), sha256(utf8(reason)))
}

/** Whether the signature is the operator's over exactly this text and reason. */
export function verifySettingsAct({ operator, text, reason, signature }: SettingsAct): boolean {
  return verifySignature(operator, settingsActHash(text, reason), signature)
}
