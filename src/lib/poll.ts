import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Asks again and again until an answer is there. For things that report to nobody when they are
 * ready, such as a server of another program that is starting.
 *
 * @param check null means not yet; what it throws ends the wait
 * @param timeoutMs no new question is asked after that; one that is under way is awaited
 * @returns the first answer, or null when the time was up
 */
export async function pollUntil<T>(
  check: () => Promise<T | null> | T | null,
  { everyMs, timeoutMs }: { readonly everyMs: number; readonly timeoutMs: number },
): Promise<T | null> {
  const deadline = AbortSignal.timeout(timeoutMs)
  while (true) {
    const answer = await check()
    if (answer !== null) return answer
    if (deadline.aborted) return null
    await sleep(everyMs)
  }
}
