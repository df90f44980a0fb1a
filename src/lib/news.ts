import type { Log } from './log.ts'

/** Topics remembered; what was said of one that is forgotten is said once more. */
const TOPICS_MAX = 1000

/**
 * A log for jobs that come to the same batch again and again, which may wait for days: it says of a
 * topic only what it did not say last.
 *
 * @returns the log of a topic
 */
export function newsOnly(log: Log): (topic: string) => Log {
  const last = new Map<string, string>()
  function isNews(topic: string, line: string): boolean {
    if (last.get(topic) === line) return false
    last.delete(topic)
    last.set(topic, line)
    const [oldest] = last.keys()
    if (last.size > TOPICS_MAX && oldest !== undefined) last.delete(oldest)
    return true
  }
  return topic => {
    const saying =
      (level: keyof Log): Log[typeof level] =>
      (fields, message) => {
        if (isNews(topic, JSON.stringify([level, message, fields]))) log[level](fields, message)
      }
    return { info: saying('info'), warn: saying('warn'), error: saying('error') }
  }
}
