import type { BlockHash } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { EnforcerClient } from '../lib/nodes/enforcer-client.ts'

/** What is asked of an enforcer. */
export type BundleEnforcer = Pick<
  EnforcerClient,
  'chainTip' | 'chainInfo' | 'sidechains' | 'bundles'
>

/** Bundles that fail because the main chain did not pay them in time. */
export type FailingBundles = {
  /**
   * Slots with a bundle that fails in the block on that parent; null until that is known. Asks for
   * it then.
   */
  readonly on: (parent: BlockHash) => ReadonlySet<number> | null
}

/**
 * Knows for which sidechains the next block comes too late. An enforcer offers a bundle's payment
 * (M6) by its votes alone, but fails old bundles before it looks at a block's transactions: in the
 * one block in which a bundle fails, the payment that its own template has would cost us the block.
 *
 * Source: bip300301_enforcer, lib/block_producer/coinbase.rs, suffix_txs_for_proposals, and
 * lib/validator/task/mod.rs, connect_block.
 */
export function watchBundles({
  enforcer,
  log,
}: {
  readonly enforcer: BundleEnforcer
  readonly log: Log
}): FailingBundles {
  let known: { readonly parent: BlockHash; readonly slots: ReadonlySet<number> } | null = null
  let isBusy = false
  let isTrouble = false

  async function look(): Promise<void> {
    const { hash: parent, height } = await enforcer.chainTip()
    const { withdrawalBundleMaxAge: ageMax } = await enforcer.chainInfo()
    const slots = new Set<number>()
    for (const { slot } of await enforcer.sidechains())
      for (const { proposalHeight } of await enforcer.bundles(slot))
        if (height + 1 - proposalHeight > ageMax) slots.add(slot)
    // What was asked for on two parents would be right on neither.
    if ((await enforcer.chainTip()).hash === parent) known = { parent, slots }
  }

  async function follow(): Promise<void> {
    if (isBusy) return
    isBusy = true
    try {
      await look()
      isTrouble = false
    } catch (error) {
      if (!isTrouble) log.warn({ reason: String(error) }, 'no bundle is paid in our own blocks')
      isTrouble = true
    }
    isBusy = false
  }

  return {
    on: parent => {
      if (known?.parent === parent) return known.slots
      void follow()
      return null
    },
  }
}
