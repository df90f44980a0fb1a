import type { Log } from './log.ts'

/**
 * Something to look at again and again. It reads what is due, takes one step and commits, so it is
 * harmless when it runs twice, late or never: another process may run the same job beside it.
 */
export type Job = {
  /** Unique in its queue. Letters, digits and `-`. */
  readonly name: string
  readonly everyMs: number
  readonly run: () => Promise<void>
}

/** A job as the queue hands it over: scheduled, or woken where the data says so. */
export type Picked = { readonly name: string; readonly data: unknown }

/** Runs jobs by name, each never beside itself in this process. A failing job is only logged. */
export function jobRunner(queue: string, log: Log) {
  let jobs: ReadonlyMap<string, Job> = new Map()
  const running = new Set<string>()
  const wokenMeanwhile = new Set<string>()

  async function runLogged(job: Job) {
    try {
      await job.run()
    } catch (error) {
      log.error(
        { queue, job: job.name, reason: messageOf(error) },
        'job failed; its next time comes',
      )
    }
  }

  return {
    jobs: () => [...jobs.values()],
    set: (list: readonly Job[]) => {
      jobs = new Map(list.map(job => [job.name, job]))
    },
    run: async ({ name, data }: Picked) => {
      const job = jobs.get(name)
      if (!job) return log.warn({ queue, job: name }, 'a job that this version does not know')
      if (running.has(name)) {
        // The run under way may have read before the wake's reason was there, so one more follows.
        if (isWake(data)) wokenMeanwhile.add(name)
        return
      }
      running.add(name)
      try {
        do {
          wokenMeanwhile.delete(name)
          await runLogged(job)
        } while (wokenMeanwhile.has(name))
      } finally {
        running.delete(name)
      }
    },
  }
}

function isWake(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'wake' in data
}

/** What a thrown thing says; its stack and fields may hold more than a log should. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
