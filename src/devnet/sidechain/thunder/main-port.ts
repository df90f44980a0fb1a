import type { BlockHash } from '../../../lib/ids.ts'
import type { MainBlockInfo } from '../main-chain.ts'
import type { Bundle } from './bundle.ts'

/** What came of asking the enforcer's wallet for a transaction. */
export type PortOutcome =
  | { readonly kind: 'sent'; readonly txid: string }
  /** In the enforcer's words. */
  | { readonly kind: 'refused'; readonly message: string }

/** All that a Thunder node asks its enforcer. */
export type MainPort = {
  readonly tip: () => Promise<MainBlockInfo>
  /**
   * A block and those before it that the node does not know yet, oldest first.
   *
   * @returns null when the enforcer does not know the block, or is away
   */
  readonly upTo: (
    hash: string,
    isKnown: (hash: string) => boolean,
  ) => Promise<readonly MainBlockInfo[] | null>
  /** The next block that joins the main chain. */
  readonly nextBlock: () => Promise<MainBlockInfo>
  /** Null where the enforcer has no wallet. */
  readonly wallet: {
    readonly bid: (bid: {
      readonly sideBlock: string
      readonly previousBlock: BlockHash
      readonly valueSats: bigint
      readonly height: number
    }) => Promise<PortOutcome>
    readonly deposit: (deposit: {
      readonly address: string
      readonly valueSats: bigint
      readonly feeSats: bigint
    }) => Promise<PortOutcome>
    readonly proposeBundle: (bundle: Bundle) => void
  } | null
}
