import type { Kysely } from 'kysely'
import type { Config } from '../config.ts'
import { unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { txid } from '../lib/ids.ts'
import { MAX_MONEY_SATS, sats } from '../lib/money.ts'
import { lndClient } from '../lib/nodes/lnd-client.ts'
import { type Clock, systemClock } from '../lib/time.ts'
import {
  bookCapital,
  bookLightningCapital,
  bookThunderCapital,
  type CapitalOutcome,
} from '../payouts/index.ts'
import { CommandError, say } from './command.ts'
import { l1CapitalOf } from './l1-wallets.ts'
import { connectPoolLnd } from './lightning-rail-wiring.ts'
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
  return told(id, outcome, 'coins')
}

/** The same of what the owner put into channels: an amount, since a channel is no coin. */
export async function lightningCapital(
  db: Kysely<Database>,
  config: Config,
  { id, amount }: { readonly id: string; readonly amount: string },
): Promise<number> {
  if (!ID.test(id)) throw new CommandError('--id is a name: lower-case letters, digits, . _ -')
  const most = BigInt(amount)
  if (most > MAX_MONEY_SATS) throw new CommandError('--amount is more than all bitcoin')
  const { lightning } = config.rails
  if (!lightning) throw new CommandError('there is no rails.lightning')
  const connection = await connectPoolLnd(lightning)
  try {
    const parts = { db, clock: systemClock, client: lndClient(connection) }
    return told(id, await bookLightningCapital(parts, { id, amount: sats(most) }), 'amount')
  } finally {
    connection.close()
  }
}

/** @returns the exit code */
function told(id: string, outcome: CapitalOutcome, what: 'coins' | 'amount'): number {
  switch (outcome.kind) {
    case 'booked':
      say(`booked ${outcome.amount} sat ${outcome.place} as capital:${id}`)
      return 0
    case 'repeated':
      say(`capital:${id} was booked before, with the same ${what}; nothing was changed`)
      return 0
    case 'conflict':
      say(`capital:${id} was booked before, with other ${what}; nothing was changed`)
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
