import type { Kysely } from 'kysely'
import type { Config } from '../config.ts'
import { unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { txid } from '../lib/ids.ts'
import type { Clock } from '../lib/time.ts'
import { bookCapital, bookThunderCapital } from '../payouts/index.ts'
import { CommandError, say } from './command.ts'
import { l1CapitalOf } from './l1-wallets.ts'
import { thunderCapital } from './thunder-rail-wiring.ts'

const ID = /^[a-z0-9._-]{1,100}$/
const OUTPOINT = /^([0-9a-f]{64}):(0|[1-9]\d{0,8})$/
/** Coins of one command; more are booked under a further name. */
const COINS_MAX = 100

/**
 * Books coins that the operator put into a wallet of the pool, or sent to it on Thunder: the float grows, and the pool owes
 * it to nobody but its owner. It moves no coin. The id makes a repeat of the command book once.
 *
 * @param outpoints `txid:vout`, several with commas between
 * @returns the exit code: 1 where nothing was booked
 */
export async function capital(
  db: Kysely<Database>,
  config: Config,
  {
    rail,
    id,
    outpoints,
    clock,
  }: {
    readonly rail: 'l1' | 'thunder'
    readonly id: string
    readonly outpoints: string
    readonly clock: Clock
  },
): Promise<number> {
  if (!ID.test(id)) throw new CommandError('--id is a name: lower-case letters, digits, . _ -')
  const given = { id, outpoints: parseOutpoints(outpoints) }
  const outcome =
    rail === 'thunder'
      ? await bookThunderCapital(thunderCapital({ config, db, clock }), given)
      : await bookCapital({ db, clock, ...l1CapitalOf(config) }, given)
  switch (outcome.kind) {
    case 'booked':
      say(`booked ${outcome.amount} sat ${outcome.place} as capital:${id}`)
      return 0
    case 'repeated':
      say(`capital:${id} was booked before, with the same coins; nothing was changed`)
      return 0
    case 'conflict':
      say(`capital:${id} was booked before, with other coins; nothing was changed`)
      return 1
    case 'refused':
      say(`nothing was booked: ${outcome.reason}`)
      return 1
    default:
      return unreachable(outcome)
  }
}

function parseOutpoints(text: string) {
  const outpoints = text.split(',').map(part => {
    const [, id, vout] = OUTPOINT.exec(part) ?? []
    if (id === undefined) throw new CommandError('--outpoint is txid:vout, several with commas')
    return { txid: txid(id), vout: Number(vout) }
  })
  if (outpoints.length > COINS_MAX) throw new CommandError(`at most ${COINS_MAX} coins at once`)
  return outpoints
}
