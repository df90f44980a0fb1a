import type { Command } from './commands/command.ts'

type Verb = {
  /** Name and arguments, as the help shows them. */
  readonly usage: string
  readonly summary: string
  readonly load: () => Promise<Command>
}

/**
 * The verbs by name, in the order of the help. Each is loaded when it is asked for, since a process
 * that loads all rooms takes seconds to begin.
 */
const VERBS: Readonly<Record<string, Verb>> = {
  demo: {
    usage: 'demo [--keep]',
    summary: 'mine, account and pay on a real regtest node, here and now',
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
  start: {
    usage: 'start --config FILE [--roles a,b]',
    summary: 'run the pool, or some of its roles (stratum, accounting, payouts, api)',
    load: async () => (await import('./commands/start.ts')).startCommand,
  },
  'check-config': {
    usage: 'check-config --config FILE',
    summary: 'list everything wrong with a configuration',
    load: async () => (await import('./commands/check-config.ts')).checkConfigCommand,
  },
  migrate: {
    usage: 'migrate --config FILE',
    summary: 'bring the database to the newest schema',
    load: async () => (await import('./commands/migrate.ts')).migrateCommand,
  },
  verify: {
    usage: 'verify FILE…',
    summary: 'check work and reward statements, offline',
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  audit: {
    usage: 'audit --config FILE',
    summary: 'check ledger, statements, shares and payouts against each other',
    load: async () => (await import('./commands/audit.ts')).auditCommand,
  },
  trace: {
    usage: 'trace HASH --config FILE',
    summary: 'follow a share or a block from the socket to the confirmed payment',
    load: async () => (await import('./commands/trace.ts')).traceCommand,
  },
  treasury: {
    usage: 'treasury VERB …',
    summary: 'operators, their keys and tokens; look at batches, approve, reject, freeze',
    load: async () => (await import('./commands/treasury.ts')).treasuryCommand,
  },
  signer: {
    usage: 'signer --config FILE | keygen|public|init|status|confirm|relay …',
    summary: 'run the one program that can spend, on its own host, or look after it',
    load: async () => (await import('./commands/signer.ts')).signerCommand,
  },
  thunder: {
    usage: 'thunder status|invalidate …',
    summary: "see where the pool's Thunder node stands, or free it from a lost block",
    load: async () => (await import('./commands/thunder.ts')).thunderCommand,
  },
  doctor: {
    usage: 'doctor --stratum HOST:PORT --user NAME …',
    summary: 'try emulated clients of every firmware against any pool',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  bench: {
    usage: 'bench [NAME]',
    summary: 'measure all that bench/RESULTS.md tells of, or one part by its name',
    load: async () => (await import('./commands/bench.ts')).benchCommand,
  },
}

/** The entry itself runs the tests, which need no verb. */
const TEST = {
  usage: 'test [FILE …]',
  summary: 'run the whole suite, or parts of it, on real services',
}

function help(): string {
  const verbs = [...Object.values(VERBS), TEST]
  const width = Math.max(...verbs.map(({ usage }) => usage.length))
  const lines = verbs.map(({ usage, summary }) => `  ./sidepool ${usage.padEnd(width)}  ${summary}`)
  return `sidepool: a Bitcoin mining pool whose payouts are a bridge\n\n${lines.join('\n')}\n`
}

// Whoever reads only the beginning (`| head`) ends the pipe, not the work behind it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

const [name = 'help', ...args] = process.argv.slice(2)
const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
if (verb) {
  const command = await verb.load()
  process.exitCode = await command(args)
} else {
  process.stdout.write(help())
  process.exitCode = ['help', '--help', '-h'].includes(name) ? 0 : 2
}
