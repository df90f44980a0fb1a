import { NETWORK_FACTS, type Network } from '../lib/bitcoin/network.ts'
import { subsidyAt } from '../lib/bitcoin/subsidy.ts'
import { packTransactions } from '../lib/bitcoin/tx.ts'
import type { UnixMs } from '../lib/ids.ts'
import type { BlockHeaderInfo } from '../lib/nodes/bitcoind-client.ts'
import type { Template } from './template.ts'

/** Blocks between two changes of the target. Source: Bitcoin Core, `consensus/params.h`. */
const RETARGET_BLOCKS = 2016

/**
 * Work on a new tip without any transaction, made without the node's full template: nobody hashes
 * on the old block while that one is put together.
 *
 * It is made only where all that it needs is known for certain: the tip is the next block on the
 * one that was worked on, on a chain whose target does not change with it. Testnets may lower
 * theirs with any block, and a retarget lowers or raises it every 2,016 blocks.
 *
 * @param current what was worked on until now
 * @returns null where the full template must be waited for
 */
export function emptyTemplateOn(
  tip: BlockHeaderInfo,
  current: Template,
  { network, now }: { readonly network: Network; readonly now: UnixMs },
): Template | null {
  const height = tip.height + 1
  const isNext = tip.previousBlock === current.previousBlock && tip.height === current.height
  const isSteady = network === 'regtest' || height % RETARGET_BLOCKS !== 0
  if (!isNext || !isSteady || network === 'testnet4') return null
  const subsidy = subsidyAt(height, NETWORK_FACTS[network].halvingInterval)
  // A block's time is above the median of the eleven before it.
  const minTime = tip.medianTime + 1
  return {
    ...current,
    height,
    previousBlock: tip.hash,
    minTime,
    curTime: Math.max(minTime, Math.floor(now / 1000)),
    ...{ value: subsidy, subsidy },
    ...{ commitments: [], isEnforced: false, transactions: [], branches: [] },
    witnessCommitment: null,
    blockTransactions: packTransactions([]),
    longPollId: null,
  }
}
