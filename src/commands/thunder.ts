import type { Config } from '../config.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../lib/nodes/bitcoind-client.ts'
import { NodeUnreachable } from '../lib/nodes/post-client.ts'
import { type ThunderClient, ThunderError } from '../lib/nodes/thunder-client.ts'
import { thunderEra } from '../lib/thunder/era.ts'
import { chainsOf } from '../payouts/index.ts'
import { type Command, CommandError, orExplain, parseOptions, sayPlain } from './command.ts'
import { requireConfig } from './pool-config.ts'
import { thunderNode } from './thunder-rail-wiring.ts'

const HELP = `thunder status --config FILE
thunder invalidate SIDE_BLOCK --config FILE`

const VERBS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  status: runStatus,
  invalidate: runInvalidate,
}

/** What an operator does about the pool's Thunder node. */
export const thunderCommand: Command = args =>
  orExplain(async () => {
    const [name = ''] = args
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (!verb) throw new CommandError(HELP)
    return orRefused(() => verb(args.slice(1)))
  })

async function orRefused(work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ThunderError)) throw error
    sayPlain(`Thunder refuses: ${error.message}`)
    return 1
  }
}

function open(path: string | undefined): { config: Config; client: ThunderClient } {
  const config = requireConfig(path)
  const { thunder } = config.rails
  if (!thunder) throw new CommandError('the configuration has no rails.thunder')
  return { config, client: thunderNode(config, thunder) }
}

/** @returns the exit code: 1 where the rail cannot go on */
async function runStatus(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['config'])
  if (words.length > 0) throw new CommandError(HELP)
  const { config, client } = open(options.config)
  const era = thunderEra(await client.methods())
  sayPlain(`node     ${era.kind === 'usable' ? 'can be used' : era.reason}`)
  if (era.kind === 'unusable') return 1
  const node = bitcoindClient(connectNode(config.node))
  const chains = chainsOf({ client, node, complaint: async () => null })
  const tip = await chains.side.tip()
  if (tip === null) {
    sayPlain('tip      none: no side block was ever mined')
    return 0
  }
  const place = await chains.placeOf(tip)
  const where =
    place.kind === 'on chain'
      ? `its main block has ${place.confirmations} confirmations`
      : 'no block of the main chain carries it now'
  sayPlain(`tip      ${tip.hash}, ${await client.blockCount()} side blocks: ${where}`)
  const stall = await chains.stall()
  sayPlain(`goes on  ${stall === null ? 'yes' : `no: ${stall}`}`)
  return stall === null ? 0 : 1
}

/**
 * Has the node let go of a side block whose main block was replaced, so that it builds on the one
 * before. Only an orphaned block is let go: on any other it would throw payments away.
 */
async function runInvalidate(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['config'])
  const [hash = '', ...more] = words
  if (!/^[0-9a-f]{64}$/.test(hash) || more.length > 0) throw new CommandError(HELP)
  const { config, client } = open(options.config)
  const node = bitcoindClient(connectNode(config.node))
  const chains = chainsOf({ client, node, complaint: async () => null })
  const tip = await chains.side.tip()
  if (tip?.hash !== hash) {
    sayPlain(`nothing was done: the tip is ${tip?.hash ?? 'not there'}`)
    return 1
  }
  if ((await chains.placeOf(tip)).kind === 'on chain') {
    sayPlain('nothing was done: its main block is on the main chain')
    return 1
  }
  try {
    await client.invalidateBlock(hash)
  } catch (error) {
    if (!(error instanceof NodeUnreachable)) throw error
    sayPlain(`no answer (${error.message}): published nodes panic where the side block before`)
    sayPlain('credited a deposit, and a restart does not help. Money stays reserved meanwhile.')
    sayPlain('Give the node an empty data directory and let it sync anew, or run one with the fix.')
    return 1
  }
  const after = await client.bestSidechainBlock()
  sayPlain(`Thunder stands on ${after ?? 'nothing'} now, and goes on with the next side block`)
  return 0
}
