import type { CheckShares, ShareVerdict } from '../share.ts'
import type { PendingShare } from './session-state.ts'

/** A submission that waits for its check, and whose it is. */
type Waiting<Of> = { readonly of: Of; readonly pending: PendingShare }

/**
 * Checks together all that arrives in one turn of the event loop.
 *
 * @param onBroken for whoever's submission breaks the check, and for nobody else
 * @returns takes a submission; its verdict comes at the end of the turn
 */
export function createTurnCheck<Of>(
  check: CheckShares,
  onVerdict: (of: Of, pending: PendingShare, verdict: ShareVerdict) => void,
  onBroken: (of: Of, error: unknown) => void,
): (of: Of, pending: PendingShare) => void {
  let waiting: Waiting<Of>[] = []

  function checkAll(): void {
    const batch = waiting
    waiting = []
    try {
      checkBatch(batch)
    } catch {
      // One of them breaks the check: alone, each can break only itself.
      for (const each of batch) {
        try {
          checkBatch([each])
        } catch (error) {
          onBroken(each.of, error)
        }
      }
    }
  }

  function checkBatch(batch: readonly Waiting<Of>[]): void {
    const verdicts = check(batch.map(({ pending }) => pending.candidate))
    for (const [index, { of, pending }] of batch.entries()) {
      const verdict = verdicts[index]
      if (verdict) onVerdict(of, pending, verdict)
    }
  }

  return (of, pending) => {
    if (waiting.length === 0) setImmediate(checkAll)
    waiting.push({ of, pending })
  }
}
