import { blockHash } from '../lib/ids.ts'
import { type Command, CommandError, orExplain, parseOptions, sayPlain } from './command.ts'
import { requireConfig } from './pool-config.ts'
import { type Fact, traceHash } from './trace-facts.ts'
import { withDatabase } from './with-database.ts'

/** Follows one share from the socket to the outputs that paid for it, a fact a line. */
export const traceCommand: Command = args =>
  orExplain(async () => {
    const { options, words } = parseOptions(args, ['config'])
    const text = words[0]?.toLowerCase() ?? ''
    if (words.length !== 1 || !/^[0-9a-f]{64}$/.test(text))
      throw new CommandError('trace takes the hash of one share: 64 hex digits, as in a block')
    const config = requireConfig(options.config)
    const facts = await withDatabase(config, db => traceHash(db, blockHash(text)))
    if (facts === null) {
      sayPlain(`no share that is still kept, and no block of ours, has the hash ${text}`)
      return 1
    }
    const width = Math.max(...facts.map(([about]) => about.length))
    for (const [about, known] of facts) sayPlain(lineOf(about, known, width))
    return 0
  })

function lineOf(about: Fact[0], known: Fact[1], width: number): string {
  return `${about.padEnd(width)}  ${known}`
}
