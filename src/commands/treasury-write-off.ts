import { txid } from '../lib/ids.ts'
import { systemClock } from '../lib/time.ts'
import { writeOff } from '../payouts/index.ts'
import { CommandError, parseOptions, requireConfig, say } from './command.ts'
import { l1Wallets } from './l1-wallets.ts'
import { expectWords, need, parseReason } from './treasury-options.ts'
import { withDatabase } from './with-database.ts'

const OUTPOINT = /^([0-9a-f]{64}):(0|[1-9]\d{0,8})$/

/** Books a coin that is lost for good as an expense. @returns the exit code: 1 where it is not */
export async function runWriteOff(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['outpoint', 'reason', 'config'])
  expectWords(words, 0)
  const [, id, vout] = OUTPOINT.exec(need(options.outpoint, '--outpoint TXID:VOUT')) ?? []
  if (id === undefined) throw new CommandError('--outpoint is txid:vout')
  const reason = parseReason(options.reason)
  const config = requireConfig(options.config)
  return withDatabase(config, async db => {
    const finality = config.rails.l1.finalityDepth
    const parts = { db, clock: systemClock, wallets: l1Wallets(config), finality }
    const given = { outpoint: { txid: txid(id), vout: Number(vout) }, reason }
    const outcome = await writeOff(parts, given)
    if (outcome.kind === 'refused') {
      say(`nothing was written off: ${outcome.reason}`)
      return 1
    }
    say(`wrote off ${outcome.amount} sat of the ${outcome.wallet} wallet`)
    return 0
  })
}
