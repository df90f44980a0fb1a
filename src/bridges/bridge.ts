import type { BatchId } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'

/** What became of the wish to move an amount. */
export type MoveOutcome =
  /** A batch waits for approvals. */
  | { readonly kind: 'planned'; readonly batch: BatchId }
  | { readonly kind: 'nothing'; readonly reason: string }

/** What the rail at a bridge's far end has, and what it should have; satoshis. */
export type FloatNeed = {
  /** What it can pay with. */
  readonly float: Sats
  /** What is on its way there, planned or further. */
  readonly coming: Sats
  /** What comes back from there, planned or further, until no reorganisation can undo it. */
  readonly leaving: Sats
  /** What miners are owed there and no batch holds yet. */
  readonly due: Sats
}

/**
 * Moves the pool's own float from the main chain to another rail and back, and touches nothing that
 * is owed. What it sends is a batch like any other, which operators approve.
 */
export type Bridge = {
  /** The rail at its far end. */
  readonly name: string
  readonly need: () => Promise<FloatNeed>
  /** Plans a move of that much to the far end. */
  readonly fill: (amount: Sats) => Promise<MoveOutcome>
  /**
   * Looks where everything is that has left one end, and books what has arrived at the other, or is
   * not there any more. Each step is harmless when repeated.
   */
  readonly follow: () => Promise<void>
}
