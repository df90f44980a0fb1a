import { Psbt, Transaction } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { equalBytes, toHex } from '../../../lib/bytes.ts'
import { type Txid, txid } from '../../../lib/ids.ts'

/** A PSBT of a batch's version with what a co-signer gave of it, or why that is not taken. */
export type TakeOutcome =
  | { readonly kind: 'taken'; readonly psbt: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: string }

type PsbtInput = Psbt['data']['inputs'][number]
type SignedPart = Pick<PsbtInput, 'partialSig' | 'tapScriptSig' | 'tapKeySig'>

/** Source: BIP 143. */
const SIGHASH_ALL = 0x01
/** A schnorr signature without a byte for its type covers everything. Source: BIP 341. */
const SCHNORR_BYTES = 64
/** One a key, a script and what leads to it; what stands behind so many items is not looked at. */
const WITNESS_ITEMS_MAX = 20

/**
 * Takes from a co-signer's PSBT its signatures and nothing else, so that no field that a stranger
 * could have added reaches ours. A signature counts when it is valid, covers all of the
 * transaction, and is of a key that its input asks for. What Core finalised is read too.
 *
 * @param ours BIP 174 as it is stored, with scripts and derivations
 * @param theirs BIP 174 as it came back from Core, Sparrow, HWI or `treasury sign`
 */
export function takeSignatures(ours: Uint8Array, theirs: Uint8Array): TakeOutcome {
  const base = Psbt.fromBuffer(ours)
  const given = parse(theirs)
  if (given === null) return { kind: 'refused', reason: 'it is no PSBT' }
  if (!equalBytes(base.data.getTransaction(), given.data.getTransaction()))
    return { kind: 'refused', reason: 'it is of another transaction' }
  const trial = Psbt.fromBuffer(ours)
  const witnesses = witnessesOf(given)
  for (const [index, input] of base.data.inputs.entries()) {
    const offered = [
      ...offeredByFields(given.data.inputs[index], input),
      ...offeredByWitness(witnesses[index] ?? [], input),
    ]
    const taken = offered.filter(part => isValid(trial, index, part))
    for (const part of distinct(taken)) base.data.updateInput(index, part)
  }
  const isSigned = base.data.inputs.some(input => signaturesOf(input) > 0)
  if (!isSigned) return { kind: 'refused', reason: 'it brings no signature that is valid' }
  return { kind: 'taken', psbt: base.toBuffer() }
}

/**
 * All signatures that were taken so far in one PSBT.
 *
 * @param taken what `takeSignatures` made of `ours`
 */
export function combineTaken(ours: Uint8Array, taken: readonly Uint8Array[]): Uint8Array {
  const base = Psbt.fromBuffer(ours)
  for (const each of taken) base.combine(Psbt.fromBuffer(each))
  return base.toBuffer()
}

/**
 * How many signatures the input with the fewest has: so many co-signers have signed all of it. Our
 * own coins are all native segwit; the coin of a sidechain's treasury is not, and nobody signs it.
 */
export function signaturesIn(psbt: Uint8Array): number {
  const ours = Psbt.fromBuffer(psbt).data.inputs.filter(({ witnessUtxo }) => witnessUtxo)
  return Math.min(...ours.map(signaturesOf))
}

/** The id that the signed transaction will have too, since its inputs are native segwit. */
export function unsignedTxid(psbt: Uint8Array): Txid {
  return txid(Transaction.fromBuffer(Psbt.fromBuffer(psbt).data.getTransaction()).getId())
}

function parse(bytes: Uint8Array): Psbt | null {
  try {
    return Psbt.fromBuffer(bytes)
  } catch {
    return null
  }
}

/**
 * Each signature alone, as it would stand in our PSBT. Only of keys that our input names: checking
 * one costs milliseconds, and a stranger's PSBT has room for tens of thousands.
 */
function offeredByFields(given: PsbtInput | undefined, ours: PsbtInput): SignedPart[] {
  const { partialSig = [], tapScriptSig = [], tapKeySig } = given ?? {}
  const { bip32Derivation = [], tapBip32Derivation = [] } = ours
  const keys = new Set(bip32Derivation.map(({ pubkey }) => toHex(pubkey)))
  const leaves = new Set(
    tapBip32Derivation.flatMap(({ pubkey, leafHashes }) =>
      leafHashes.map(leaf => toHex(pubkey) + toHex(leaf)),
    ),
  )
  return [
    ...partialSig
      .filter(({ pubkey }) => keys.has(toHex(pubkey)))
      .map(each => ({ partialSig: [each] })),
    ...tapScriptSig
      .filter(({ pubkey, leafHash }) => leaves.has(toHex(pubkey) + toHex(leafHash)))
      .map(each => ({ tapScriptSig: [each] })),
    ...(tapKeySig ? [{ tapKeySig }] : []),
  ]
}

/** A final witness names no keys, so each of its signatures is tried with each key of the input. */
function offeredByWitness(witness: readonly Uint8Array[], ours: PsbtInput): SignedPart[] {
  const { bip32Derivation = [], tapBip32Derivation = [] } = ours
  return witness
    .slice(0, WITNESS_ITEMS_MAX)
    .flatMap(signature => [
      ...bip32Derivation.map(({ pubkey }) => ({ partialSig: [{ pubkey, signature }] })),
      ...tapBip32Derivation.flatMap(({ pubkey, leafHashes }) => [
        ...leafHashes.map(leafHash => ({ tapScriptSig: [{ pubkey, leafHash, signature }] })),
        ...(leafHashes.length === 0 ? [{ tapKeySig: signature }] : []),
      ]),
    ])
}

function witnessesOf(given: Psbt): readonly (readonly Uint8Array[])[] {
  try {
    return given.extractTransaction(true).ins.map(({ witness }) => witness)
  } catch {
    // It is not final, so its signatures stand in fields of their own.
    return []
  }
}

function isValid(trial: Psbt, index: number, part: SignedPart): boolean {
  if (!coversAll(part)) return false
  try {
    trial.data.updateInput(index, part)
    return trial.validateSignaturesOfInput(index, verify)
  } catch {
    // The library throws for what cannot be a signature, or is of a key that nobody asked for.
    return false
  } finally {
    for (const field of ['partialSig', 'tapScriptSig', 'tapKeySig'] as const)
      delete trial.data.inputs[index]?.[field]
  }
}

/** One that left something open could be put to another use. */
function coversAll({ partialSig = [], tapScriptSig = [], tapKeySig }: SignedPart): boolean {
  return (
    partialSig.every(({ signature }) => signature.at(-1) === SIGHASH_ALL) &&
    tapScriptSig.every(({ signature }) => signature.length === SCHNORR_BYTES) &&
    (tapKeySig === undefined || tapKeySig.length === SCHNORR_BYTES)
  )
}

function verify(key: Uint8Array, hash: Uint8Array, signature: Uint8Array): boolean {
  if (key.length === 32) return secp256k1.verifySchnorr(hash, key, signature)
  // Nodes relay none with a high S, and which of too many signatures they finalise is theirs to say.
  return secp256k1.verify(hash, key, signature, true)
}

/** A wallet may give one signature twice: in its own field, and in a final witness. */
function distinct(parts: readonly SignedPart[]): SignedPart[] {
  const keyOf = ({ partialSig, tapScriptSig }: SignedPart) =>
    Buffer.from(partialSig?.[0]?.pubkey ?? tapScriptSig?.[0]?.pubkey ?? []).toString('hex')
  return [...new Map(parts.map(part => [keyOf(part), part])).values()]
}

function signaturesOf({ partialSig, tapScriptSig, tapKeySig }: PsbtInput): number {
  return (partialSig?.length ?? 0) + (tapScriptSig?.length ?? 0) + (tapKeySig ? 1 : 0)
}
