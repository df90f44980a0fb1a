import { assert } from '../../../lib/assert.ts'
import type { Archive, Tip } from './archive.ts'

/**
 * Whether the node leaves its tip for another one. Work is that behind the main block of a tip;
 * on regtest every block takes the same, so it is the height.
 *
 * - On one main chain the longer side chain wins, and of two equal ones that with less work.
 * - On two branches a side chain that is behind in one measure wins by the other only when the
 *   part of it before the fork was not behind already.
 *
 * Source: thunder-rust, lib/archive.rs, better_tip.
 */
export function isBetterTip(archive: Archive, current: Tip, candidate: Tip): boolean {
  if (current.sideHash === candidate.sideHash && current.mainHash === candidate.mainHash)
    return false
  const heights = compare(current.sideHash, candidate.sideHash, archive.heightOf)
  const [mine, other] = [archive.heightOf(current.sideHash), archive.heightOf(candidate.sideHash)]
  // The node's rule for a chain of one block: it never wins, and every longer one does.
  if (mine === 0 || other === 0) return mine === 0 && other !== 0
  const work = compare(current.mainHash, candidate.mainHash, hash => archive.main.get(hash).height)
  if (work >= 0 && heights > 0) return true
  if (work <= 0 && heights < 0) return false
  if (heights === 0 && work !== 0) return work > 0 === !onOneChain(archive, current, candidate)
  if (current.sideHash === candidate.sideHash) return false
  const ours = beforeFork(archive, current, candidate)
  const theirs = beforeFork(archive, candidate, current)
  if (work > 0) return ours.height < other
  if (work < 0) return theirs.height >= mine
  // Neither is ahead: only the part before the fork can tell.
  return theirs.height > ours.height || (theirs.height === ours.height && theirs.work < ours.work)
}

/** Positive when the second is ahead. */
function compare(mine: string, other: string, measure: (hash: string) => number): number {
  return Math.sign(measure(other) - measure(mine))
}

function onOneChain({ main }: Archive, a: Tip, b: Tip): boolean {
  const common = main.lastCommon(a.mainHash, b.mainHash).hash
  return common === a.mainHash || common === b.mainHash
}

/**
 * The tip's last side block that the main chain carries before the fork: its height, and the work
 * behind the main block with it. Without one both are -1.
 */
function beforeFork(archive: Archive, of: Tip, other: Tip) {
  const fork = archive.main.lastCommon(of.mainHash, other.mainHash).hash
  for (const hash of archive.ancestors(of.sideHash)) {
    const header = archive.find(hash)
    assert(header !== null, 'an ancestor is known')
    const { prevMainHash } = header
    if (prevMainHash === fork || !archive.main.isDescendant(prevMainHash, fork)) continue
    return { height: archive.heightOf(hash), work: archive.main.get(prevMainHash).height + 1 }
  }
  return { height: -1, work: -1 }
}
