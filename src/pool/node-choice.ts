import { NETWORK_FACTS, type Network } from '../lib/bitcoin/network.ts'
import type { BlockchainInfo } from '../lib/nodes/bitcoind-client.ts'

/** A node whose blocks are so far behind its headers is catching up, and its tip is old. */
const HEADERS_AHEAD_MAX = 3

/** Why a node's templates are not to be worked on. */
export type NodeComplaint = {
  readonly reason: 'wrong network' | 'node is syncing'
  readonly detail: string
}

export function nodeComplaint(info: BlockchainInfo, network: Network): NodeComplaint | null {
  const { chain } = NETWORK_FACTS[network]
  if (info.chain !== chain)
    return { reason: 'wrong network', detail: `the node is on ${info.chain}, the pool on ${chain}` }
  // Regtest's tip is as old as the last experiment, which Core takes for a node that is behind.
  if (network === 'regtest') return null
  const isBehind = info.isInitialBlockDownload || info.headers - info.blocks > HEADERS_AHEAD_MAX
  const detail = `block ${info.blocks} of ${info.headers}`
  return isBehind ? { reason: 'node is syncing', detail } : null
}

/** How high a node's chain is; null where it is silent, gives no template, or is unfit. */
export type NodeHeight = number | null

/**
 * Which of several nodes gives templates: of those with the highest chain the present one, so that
 * nothing changes without need, else the first in the order of the configuration.
 *
 * @param present its place among the heights
 * @returns a place; the present one where none is fit
 */
export function chooseNode(heights: readonly NodeHeight[], present: number): number {
  const best = heights.reduce((most: number, height) => Math.max(most, height ?? -1), -1)
  if (best < 0 || heights[present] === best) return present
  return heights.indexOf(best)
}
