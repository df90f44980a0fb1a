import type { OperatorKey } from '../approval/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { parseAddress } from '../lib/bitcoin/address.ts'
import { verifyMessage } from '../lib/bitcoin/message.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import { toHex } from '../lib/bytes.ts'
import { verifyThunderMessage } from '../lib/thunder/message.ts'
import { verifySettingsAct } from '../treasury/index.ts'

/** Who says that a text counts, and how it is shown. */
export type Proof =
  /** By the key of a Bitcoin payee: BIP 322 or the older signed message, base64. */
  | { readonly kind: 'signature'; readonly signature: string }
  /** By the key of a Thunder payee. */
  | {
      readonly kind: 'thunder'
      readonly publicKey: Uint8Array
      readonly signature: Uint8Array
    }
  /** By an operator of the treasury, for a reason that everyone can read. */
  | {
      readonly kind: 'operator'
      readonly operator: OperatorKey
      readonly reason: string
      /** 64 bytes. */
      readonly signature: Uint8Array
    }

/** Whose text it is. */
export type ProvingPayee = {
  readonly kind: 'bitcoin' | 'thunder' | 'lightning'
  readonly destination: string
}

/** What a proof shows. Whether an operator may do it is for whoever knows the operators. */
export type ProofVerdict =
  | { readonly kind: 'proven'; readonly by: 'bip322' | 'legacy' | 'ed25519' | 'operator' }
  /** For whoever signed. */
  | { readonly kind: 'refused'; readonly reason: string }

/** What a payee's own proof shows where it asks for something that costs, or is to be paid to it. */
export type OwnVerdict =
  | { readonly kind: 'proven'; readonly by: 'bip322' | 'legacy' | 'ed25519' }
  /** None was given: the text to sign. */
  | { readonly kind: 'unsigned'; readonly text: string }
  | { readonly kind: 'unproven'; readonly reason: string; readonly text: string }

/** Checks that the payee itself signed; an operator's word is not taken, whatever it signed. */
export function checkOwnProof(
  payee: ProvingPayee,
  network: Network,
  text: string,
  proof: Proof | null,
): OwnVerdict {
  if (proof === null) return { kind: 'unsigned', text }
  if (proof.kind === 'operator')
    return { kind: 'unproven', reason: 'only the payee itself may ask for it', text }
  const verdict = checkProof(payee, network, text, proof)
  if (verdict.kind === 'refused') return { kind: 'unproven', reason: verdict.reason, text }
  assert(verdict.by !== 'operator', 'an operator proves only what it signs')
  return { kind: 'proven', by: verdict.by }
}

/** A signature as it is stored and shown: base64 of Bitcoin, key:signature of ed25519, else hex. */
export function signatureText(proof: Proof): string {
  switch (proof.kind) {
    case 'signature':
      return proof.signature
    case 'thunder':
      return `${toHex(proof.publicKey)}:${toHex(proof.signature)}`
    case 'operator':
      return toHex(proof.signature)
    default:
      return unreachable(proof)
  }
}

/** Checks a proof of exactly this text for this payee. */
export function checkProof(
  payee: ProvingPayee,
  network: Network,
  text: string,
  proof: Proof,
): ProofVerdict {
  if (proof.kind === 'operator') {
    const isSigned = verifySettingsAct({ ...proof, text })
    return isSigned ? proven('operator') : refused('the signature is not this operator’s')
  }
  switch (payee.kind) {
    case 'bitcoin':
      return proof.kind === 'signature'
        ? checkBitcoin(payee.destination, network, text, proof.signature)
        : refused('a Bitcoin address signs a message')
    case 'thunder': {
      if (proof.kind !== 'thunder') return refused('a Thunder address signs with its public key')
      const verdict = verifyThunderMessage(payee.destination, text, proof)
      return verdict.kind === 'signed' ? proven('ed25519') : verdict
    }
    case 'lightning':
      return refused('a Lightning address has no key to sign with: an operator can set it')
    default:
      return unreachable(payee.kind)
  }
}

function checkBitcoin(
  destination: string,
  network: Network,
  text: string,
  signature: string,
): ProofVerdict {
  const address = parseAddress(destination, network)
  assert(address.kind === 'address', 'a Bitcoin payee is an address of our network')
  const verdict = verifyMessage(address, text, signature)
  if (verdict.kind === 'refused') return verdict
  // A lock could mean "not before next year", and nobody who means now sets one.
  const isNow = verdict.lockTime === 0 && verdict.sequence === 0
  return isNow ? proven(verdict.format) : refused('the signature counts only at another time')
}

function proven(by: Extract<ProofVerdict, { kind: 'proven' }>['by']): ProofVerdict {
  return { kind: 'proven', by }
}

function refused(reason: string): ProofVerdict {
  return { kind: 'refused', reason }
}
