import type { BlockHash } from '../lib/ids.ts'

/** A block that our node of a sidechain would have, if a main block accepted it. */
export type SideTemplate = {
  /** 64 hex digits in the order of the bytes: what M7 says. */
  readonly sideBlock: string
  /** The parent of the only main block that can carry it. */
  readonly previousBlock: BlockHash
  /** The block as the node takes it back, JSON. */
  readonly body: string
}

/** Our node of a sidechain, as far as mining is concerned. */
export type SideNode = {
  readonly slot: number
  /** Rejects while the node, or its enforcer, is away. */
  readonly getTemplate: () => Promise<SideTemplate>
  /**
   * Tells the node that a main block accepted the side block.
   *
   * @returns whether the node has it in its chain now, be it by an earlier call; false may be true
   *   later, when its enforcer has seen the main block
   */
  readonly connect: (
    sideBlock: Pick<SideTemplate, 'sideBlock' | 'body'>,
    mainBlock: BlockHash,
  ) => Promise<boolean>
}
