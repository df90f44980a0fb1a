import type { LineManifest, SignedAct } from '../../../approval/index.ts'
import type { Digest, PaymentHash, Preimage } from '../../../lib/ids.ts'
import type { Millisats } from '../../../lib/money.ts'

/** An attempt by its place: the n-th invoice of a line, which is a place in the manifest. */
export type Place = { readonly payee: number; readonly n: number }

/** What came of asking for one line; nothing where it was not answered. */
export type Answer<T> = ReadonlyMap<number, T>

/** Whoever did not answer may be asked the same again: nothing is done twice. */
export type Asked<T> =
  | { readonly kind: 'answers'; readonly lines: Answer<T> }
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * Who has the right to pay. It asks each payee's server for the invoice itself, calls lnd once for
 * each call, and its word alone ends an attempt. Lines of at most `LINES_MAX` are asked for at once.
 */
export type LightningSigner = {
  readonly invoices: (asked: {
    readonly manifest: LineManifest
    readonly acts: readonly SignedAct[]
    readonly lines: readonly Place[]
  }) => Promise<Asked<{ kind: 'invoice'; invoice: string } | { kind: 'none'; reason: string }>>
  readonly pay: (asked: {
    readonly manifestHash: Digest
    readonly lines: readonly (Place & {
      readonly paymentHash: PaymentHash
      readonly call: number
      readonly feeMaxMsat: Millisats
    })[]
  }) => Promise<
    Asked<
      | { kind: 'called' }
      | { kind: 'refused'; reason: string }
      /** Nor would any other be called now. */
      | { kind: 'no room'; reason: string }
    >
  >
  /**
   * Ended: no call of it can come any more, and none of those made pays. After the last one no
   * further invoice of its line is ever given.
   */
  readonly end: (asked: {
    readonly manifestHash: Digest
    readonly lines: readonly (Place & { readonly isLast: boolean })[]
  }) => Promise<
    Asked<
      | { kind: 'ended' }
      /** With a preimage where lnd has lost what it knew, and its payee's server shows it. */
      | { kind: 'alive'; reason: string; preimage?: Preimage | undefined }
    >
  >
}
