import type { CoinManifest, SignedAct } from '../../../approval/index.ts'
import type { Authorization } from '../../../lib/thunder/authorization.ts'
import type { ThunderCoin } from './transaction.ts'

/** What a version of a batch is signed by: everything that its signer may judge it by. */
export type SigningRequest = {
  readonly manifest: CoinManifest
  readonly acts: readonly SignedAct[]
  /** From `transactionBytes`: what is hashed and signed. */
  readonly bytes: Uint8Array
  /** What it spends, in the order of its inputs. */
  readonly coins: readonly ThunderCoin[]
}

export type SigningOutcome =
  /** One authorization for each input, in their order. */
  | { readonly kind: 'signed'; readonly authorizations: readonly Authorization[] }
  /** It expired, and this signer has signed nothing of it and never will. */
  | { readonly kind: 'closed' }
  /** Nothing was signed; asking again later is harmless. */
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * What holds the keys of our addresses. Asked twice for the same version it gives the same answer;
 * what it gives is checked before it is stored. One for each way: the signer host, and the node's
 * own wallet.
 */
export type ThunderSigner = {
  readonly sign: (request: SigningRequest) => Promise<SigningOutcome>
}
