import { txid } from '../lib/ids.ts'
import { systemClock } from '../lib/time.ts'
import { writeOff, writeOffThunder } from '../payouts/index.ts'
import { CommandError, parseOptions, say } from './command.ts'
import { l1CapitalOf } from './l1-wallets.ts'
import { requireConfig } from './pool-config.ts'
import { thunderCapital } from './thunder-rail-wiring.ts'
import { expectWords, need, parseRail, parseReason } from './treasury-options.ts'
import { withDatabase } from './with-database.ts'

const OUTPOINT = /^([0-9a-f]{64}):(0|[1-9]\d{0,8})$/

/** Books a coin that is lost for good as an expense. @returns the exit code: 1 where it is not */
export async function runWriteOff(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['rail', 'outpoint', 'reason', 'config'])
  expectWords(words, 0)
  const [, id, vout] = OUTPOINT.exec(need(options.outpoint, '--outpoint TXID:VOUT')) ?? []
  if (id === undefined) throw new CommandError('--outpoint is txid:vout')
  const reason = parseReason(options.reason)
  const rail = parseRail(options.rail)
  const config = requireConfig(options.config)
  return withDatabase(config, async db => {
    const clock = systemClock
    const given = { outpoint: { txid: txid(id), vout: Number(vout) }, reason }
    const outcome =
      rail === 'thunder'
        ? await writeOffThunder(thunderCapital({ config, db, clock }), given)
        : await writeOff({ db, clock, ...l1CapitalOf(config) }, given)
    if (outcome.kind === 'refused') {
      say(`nothing was written off: ${outcome.reason}`)
      return 1
    }
    say(`wrote off ${outcome.amount} sat ${outcome.place}`)
    return 0
  })
}
