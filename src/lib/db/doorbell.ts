import { Client } from 'pg'
import type { Log } from '../log.ts'

const RECONNECT_MS = 1000

/** Listens for the database's notifications. Losing one only means that a job waits for its time. */
export type Doorbell = { readonly stop: () => Promise<void> }

/**
 * Calls `ring` with the channel's name at each notification, and once for every channel after each
 * connecting, since what was said meanwhile is lost.
 *
 * @param channels names of our own: letters and `_`
 */
export function openDoorbell(options: {
  readonly url: string
  readonly channels: readonly string[]
  readonly ring: (channel: string) => void
  readonly log: Log
}): Doorbell {
  const { url, channels, ring, log } = options
  let client: Client | null = null
  let isStopped = false
  let retry: NodeJS.Timeout | undefined

  async function connect(): Promise<void> {
    const fresh = new Client({ connectionString: url, keepAlive: true })
    client = fresh
    fresh.on('error', () => again(fresh))
    fresh.on('end', () => again(fresh))
    fresh.on('notification', ({ channel }) => ring(channel))
    try {
      await fresh.connect()
      for (const channel of channels) await fresh.query(`listen ${channel}`)
      for (const channel of channels) ring(channel)
    } catch (error) {
      log.warn({ reason: String(error) }, 'doorbell of the database is away')
      again(fresh)
    }
  }

  function again(broken: Client): void {
    if (client !== broken) return
    client = null
    broken.end().catch(() => {}) // It is broken already; what it says of that is of no use.
    if (!isStopped) retry = setTimeout(connect, RECONNECT_MS)
  }

  void connect()
  return {
    stop: async () => {
      isStopped = true
      clearTimeout(retry)
      const last = client
      client = null
      await last?.end().catch(() => {})
    },
  }
}
