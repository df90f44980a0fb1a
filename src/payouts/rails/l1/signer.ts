import type { CoinManifest, SignedAct } from '../../../approval/index.ts'

/** What a version of a batch is signed by: everything that its signer may judge it by. */
export type SigningRequest = {
  readonly manifest: CoinManifest
  readonly acts: readonly SignedAct[]
  /** BIP 174 in bytes, with the derivations of its inputs and its change, unsigned. */
  readonly psbt: Uint8Array
}

export type SigningOutcome =
  /** BIP 174 in bytes, with signatures added: perhaps not yet all that it needs. */
  | { readonly kind: 'signed'; readonly psbt: Uint8Array }
  /** It expired, and this signer has signed nothing of it and never will. */
  | { readonly kind: 'closed' }
  /** Nothing was signed; asking again later is harmless. */
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * What holds keys of a wallet of ours. Asked twice for the same version it gives the same answer;
 * what it gives is checked against the order before it is stored.
 * One for each way: the node's own wallet, the signer host, and co-signers who bring PSBTs.
 */
export type L1Signer = {
  readonly sign: (request: SigningRequest) => Promise<SigningOutcome>
}
