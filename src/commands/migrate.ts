import { migrate } from '../lib/db/migrate.ts'
import { createLog } from '../lib/log.ts'
import { migrateQueue } from '../lib/queue.ts'
import { systemRandom } from '../lib/random.ts'
import { type Command, orExplain, parseOptions, say } from './command.ts'
import { databaseOf, QUEUES } from './open-database.ts'
import { requireConfig } from './pool-config.ts'

/** Brings the configured database to the newest schema. */
export const migrateCommand: Command = args =>
  orExplain(async () => {
    const config = requireConfig(parseOptions(args, ['config']).options.config)
    const log = createLog('migrate', 'warn')
    const { ownerUrl, leave } =
      config.database.kind === 'server'
        ? { ownerUrl: config.database.ownerUrl, leave: async () => {} }
        : await databaseOf(config, { log, random: systemRandom })
    const done = await migrate(ownerUrl)
    await migrateQueue(ownerUrl, QUEUES)
    await leave()
    say(done.length === 0 ? 'the schema is the newest' : `done: ${done.join(', ')}`)
    return 0
  })
