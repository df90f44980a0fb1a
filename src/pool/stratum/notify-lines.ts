import { type Job, notifyParams } from '../job.ts'
import { notification } from './replies.ts'

/** A job's line is the same for every session, so each of its two forms is spelled once. */
export function createNotifyLines(): (job: Job, cleanJobs: boolean) => string {
  const lines = new WeakMap<Job, Map<boolean, string>>()
  return (job, cleanJobs) => {
    const known = lines.get(job) ?? new Map<boolean, string>()
    lines.set(job, known)
    const line =
      known.get(cleanJobs) ??
      notification('mining.notify', [...notifyParams(job).slice(0, -1), cleanJobs])
    known.set(cleanJobs, line)
    return line
  }
}
