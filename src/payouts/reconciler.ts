import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'

const RECONCILE_EVERY_MS = 60_000

/** What one run came to; nothing may leave before every wallet was compared once. */
export type Reconciled =
  | { readonly kind: 'compared'; readonly findings: readonly string[] }
  | { readonly kind: 'waits'; readonly reason: string }

/** The job, and whether anything may be planned or sent yet. */
export type Reconciler = {
  readonly job: Job
  readonly run: () => Promise<Reconciled>
  /** Why nothing may leave yet; null once a comparison has ended. What it found is a freeze. */
  readonly closed: () => string | null
}

/**
 * Compares a rail's wallets with the books, at the start and then every minute. Nothing leaves
 * before the first comparison: a database that was restored from a backup knows nothing of what
 * left since.
 *
 * @param compare notes what is ours, says what is not, and freezes the rail where the two differ
 */
export function reconcilerOf(
  name: string,
  log: Log,
  compare: () => Promise<Reconciled>,
): Reconciler {
  let closed: string | null = 'the wallets were not compared with the books yet'
  const run = async (): Promise<Reconciled> => {
    const result = await compare()
    if (result.kind === 'compared') closed = null
    else if (closed !== null) closed = `the wallets cannot be compared yet: ${result.reason}`
    return result
  }
  return {
    run,
    closed: () => closed,
    job: {
      name,
      everyMs: RECONCILE_EVERY_MS,
      run: async () => {
        const result = await run()
        if (result.kind === 'waits') log.warn({ reason: result.reason }, 'no comparison')
        else for (const finding of result.findings) log.error({ finding }, 'books differ')
      },
    },
  }
}
