import { type Command, orExplain, parseOptions, say } from './command.ts'
import { requireConfig } from './pool-config.ts'

/** Reads a configuration and says everything that is wrong with it, or what it promises. */
export const checkConfigCommand: Command = args =>
  orExplain(async () => {
    const config = requireConfig(parseOptions(args, ['config']).options.config)
    say(`${config.pool.name} on ${config.network}`)
    for (const scheme of config.schemes) {
      const { interval } = scheme
      const every =
        interval.kind === 'blocks' ? `${interval.blocks} blocks` : `${interval.minutes} minutes`
      const fee = `${scheme.feeBasisPoints / 100} %`
      const ports = scheme.ports.map(({ port, tls }) => (tls ? `${port} (TLS)` : port))
      say(`  port ${ports.join(', ')}: ${scheme.name}, paid every ${every}, fee ${fee}`)
    }
    return 0
  })
