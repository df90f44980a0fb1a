import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import { keepBan, readBans } from './ban-store.ts'
import type { Ban, Guard } from './stratum/guard.ts'

/** Bans of other processes, and bans that an operator deleted, are known after so long. */
const READ_EVERY_MS = 30_000

/** A guard's memory on disk. */
export type BanSource = {
  readonly keep: (ban: Ban) => void
  readonly stop: () => Promise<void>
}

/** Tells a guard of the bans there are, from the start on, and keeps those that it makes. */
export async function watchBans(options: {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly guard: Guard
}): Promise<BanSource> {
  const { db, clock, log, guard } = options
  // One after another, so that no ban is read too early to be among those that are learnt.
  let last = Promise.resolve()
  const soon = (act: () => Promise<void>) => {
    last = last.then(act).catch(error => log.warn({ error: String(error) }, 'bans are not kept'))
    return last
  }
  const read = async () => guard.learn(await readBans(db, clock.now()))
  await read()
  const timer = setInterval(() => void soon(read), READ_EVERY_MS)
  return {
    keep: ban =>
      void soon(async () => {
        await keepBan(db, ban, clock.now())
        await read()
      }),
    stop: async () => {
      clearInterval(timer)
      await last
    },
  }
}
