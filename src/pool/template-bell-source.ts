import { setTimeout as sleep } from 'node:timers/promises'
import type { BlockTemplateReply } from '../lib/nodes/block-template.ts'

/**
 * Wakes the loop that asks for templates. A template that comes with the bell while the loop waits is the newest there is;
 * one that comes while the loop is asking may be older than what it gets, so it only asks again.
 */
export function createBell() {
  let waiting: ((reply: BlockTemplateReply | null) => void) | null = null
  let isMissed = false
  function ringWith(reply: BlockTemplateReply | null): void {
    if (waiting) waiting(reply)
    else isMissed = true
    waiting = null
  }
  async function next(timeoutMs: number, signal: AbortSignal): Promise<BlockTemplateReply | null> {
    if (isMissed || signal.aborted) {
      isMissed = false
      return null
    }
    const timer = new AbortController()
    const { promise, resolve } = Promise.withResolvers<BlockTemplateReply | null>()
    waiting = resolve
    sleep(timeoutMs, null, { signal: AbortSignal.any([timer.signal, signal]) }).then(resolve, () =>
      resolve(null),
    )
    const reply = await promise
    waiting = null
    timer.abort()
    return reply
  }
  return { ring: () => ringWith(null), ringWith, next }
}
