import { setTimeout as sleep } from 'node:timers/promises'
import { Transaction } from 'bitcoinjs-lib'
import { sigopCost } from '../lib/bitcoin/sigops.ts'
import { reversed, toHex } from '../lib/bytes.ts'
import type { BlockHash } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { TransactionReply } from '../lib/nodes/block-template.ts'
import type { OwnTransaction } from '../payouts/index.ts'

/** A deposit waits for a block of ours, so that it can wait as long for a job. */
const LOOK_EVERY_MS = 1_000

/** Deposits of ours that may stand in our next block. */
export type OwnDeposits = {
  /** Those that are known to be good on that parent; none until they have been asked for there. */
  readonly on: (parent: BlockHash) => readonly TransactionReply[]
  readonly stop: () => Promise<void>
}

/**
 * Keeps our deposits ready for blocks. What was good on one parent may cost the block on another,
 * so that they count only for the parent that was the tip before and after they were asked for.
 *
 * @param offers asks which the next block could have; node trouble is thrown
 * @param onNew there are others than before: templates would be arranged in another way now
 */
export function watchOwnDeposits(options: {
  readonly offers: () => Promise<readonly OwnTransaction[]>
  readonly tip: () => Promise<BlockHash>
  readonly log: Log
  readonly onNew: () => void
}): OwnDeposits {
  const { offers, tip, log, onNew } = options
  const stopping = new AbortController()
  let ready: { readonly parent: BlockHash; readonly own: readonly TransactionReply[] } | null = null
  let isTrouble = false

  async function look(): Promise<void> {
    const parent = await tip()
    const own = (await offers()).map(transactionReply)
    if ((await tip()) !== parent) return
    const before = ready?.own.map(({ txid }) => txid).join()
    ready = { parent, own }
    if ((before ?? '') !== own.map(({ txid }) => txid).join()) onNew()
  }

  async function run(): Promise<void> {
    const { signal } = stopping
    while (!signal.aborted) {
      try {
        await look()
        isTrouble = false
      } catch (error) {
        if (!isTrouble) log.warn({ reason: String(error) }, 'no deposits for our own blocks')
        isTrouble = true
        // What cannot be asked for may be frozen, or spent by another meanwhile.
        const had = ready?.own.length ?? 0
        ready = null
        if (had > 0) onNew()
      }
      await sleep(LOOK_EVERY_MS, null, { signal }).catch(() => undefined)
    }
  }

  const done = run()
  return {
    on: parent => (ready?.parent === parent ? ready.own : []),
    stop: async () => {
      stopping.abort()
      await done
    },
  }
}

/** As a node would describe it in a template. */
export function transactionReply({ raw, txid, fee, spent }: OwnTransaction): TransactionReply {
  const transaction = Transaction.fromBuffer(raw)
  const wtxid = toHex(reversed(transaction.getHash(true)))
  const sigops = sigopCost(transaction, spent)
  return { txid, wtxid, data: raw, fee, weight: transaction.weight(), sigops }
}
