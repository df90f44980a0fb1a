import { systemClock } from '../lib/time.ts'
import { auditChecks, runCheck } from './audit-checks.ts'
import { type Command, orExplain, parseOptions, sayPlain } from './command.ts'
import { requireConfig } from './pool-config.ts'
import { withDatabase } from './with-database.ts'

/** Checks the database: that nothing was changed, left out or counted wrong since it was written. */
export const auditCommand: Command = args =>
  orExplain(async () => {
    const config = requireConfig(parseOptions(args, ['config']).options.config)
    const { network, pool } = config
    const retentionBlocks = pool.shareRetentionBlocks
    return withDatabase(config, async db => {
      let failed = 0
      for (const check of auditChecks(db, { retentionBlocks, network, now: systemClock.now() })) {
        const { complaints, notes } = await runCheck(check)
        const many = `${complaints.length} complaint${complaints.length === 1 ? '' : 's'}`
        sayPlain(`${check.name}: ${complaints.length === 0 ? 'ok' : many}`)
        for (const line of [...complaints, ...notes]) sayPlain(`  ${line}`)
        if (complaints.length > 0) failed += 1
      }
      return failed === 0 ? 0 : 1
    })
  })
