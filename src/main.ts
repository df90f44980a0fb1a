import { auditCommand } from './commands/audit.ts'
import { benchCommand } from './commands/bench.ts'
import { checkConfigCommand } from './commands/check-config.ts'
import type { Command } from './commands/command.ts'
import { demoCommand } from './commands/demo.ts'
import { doctorCommand } from './commands/doctor.ts'
import { migrateCommand } from './commands/migrate.ts'
import { signerCommand } from './commands/signer.ts'
import { startCommand } from './commands/start.ts'
import { thunderCommand } from './commands/thunder.ts'
import { traceCommand } from './commands/trace.ts'
import { treasuryCommand } from './commands/treasury.ts'
import { verifyCommand } from './commands/verify.ts'

const COMMANDS: readonly Command[] = [
  demoCommand,
  startCommand,
  checkConfigCommand,
  migrateCommand,
  verifyCommand,
  auditCommand,
  traceCommand,
  treasuryCommand,
  signerCommand,
  thunderCommand,
  doctorCommand,
  benchCommand,
]

// Whoever reads only the beginning (`| head`) ends the pipe, not the work behind it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

const [name, ...args] = process.argv.slice(2)
const command = COMMANDS.find(each => each.name === name)
if (command) {
  process.exitCode = await command.run(args)
} else {
  const width = Math.max(...COMMANDS.map(each => each.usage.length))
  const lines = COMMANDS.map(each => `  ./sidepool ${each.usage.padEnd(width)}  ${each.summary}`)
  process.stdout.write(`sidepool: a Bitcoin mining pool whose payouts are a bridge\n\n`)
  process.stdout.write(`${lines.join('\n')}\n  ./sidepool ${'test [FILE …]'.padEnd(width)}  `)
  process.stdout.write('run the whole suite, or parts of it, on real services\n')
  process.exitCode = name === undefined || name === 'help' ? 0 : 2
}
