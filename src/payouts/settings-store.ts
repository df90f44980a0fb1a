import { type Kysely, type Selectable, sql } from 'kysely'
import { z } from 'zod'
import { type OperatorKey, parseOperatorKey } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type PayeeId, payeeId, type UnixMs, unixMs } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import type { PayoutSettings, RailSetting } from './settings.ts'

/** No history is longer, whatever is asked for. */
const ROWS_MAX = 100

type SettingsRow = Pick<
  Selectable<Database['payout_settings']>,
  'number' | 'rails' | 'paused' | 'fee_rate_max_sat_per_kvb' | 'pays_from_ms' | 'destinations_key'
>

const railsSchema = z.array(
  z.strictObject({
    rail: z.string(),
    destination: z.string().nullable(),
    minimumSats: z.string().regex(/^\d{1,16}$/),
  }),
)

/** The settings in force, each payee's newest; no entry for a payee that never set any. */
export async function settingsOf(
  db: Kysely<Database>,
  payees: readonly PayeeId[],
): Promise<ReadonlyMap<PayeeId, PayoutSettings>> {
  if (payees.length === 0) return new Map()
  const { rows } = await sql<SettingsRow & { payee_id: bigint }>`
    select settings.*
      from unnest(${payees}::bigint[]) as wanted(id)
     cross join lateral (
       select * from payout_settings where payee_id = wanted.id
        order by number desc limit 1) settings`.execute(db)
  return new Map(rows.map(row => [payeeId(row.payee_id), settingsFromRow(row)]))
}

/** A change of settings as it was made, with what proves it. */
export type SettingsChange = PayoutSettings & {
  readonly givenAt: UnixMs
  readonly proof: Selectable<Database['payout_settings']>['proof']
  /** What was signed, and the signature: base64 of Bitcoin, hex of BIP 340, key:signature of ed25519. */
  readonly text: string
  readonly signature: string
  /** Who signed instead of the payee, and why; null and empty where the payee did. */
  readonly operator: string | null
  readonly reason: string
}

/** A payee's changes, newest first. @param before only those with a smaller number */
export async function settingsHistory(
  db: Kysely<Database>,
  payee: string,
  { before, limit }: { readonly before: number | null; readonly limit: number },
): Promise<readonly SettingsChange[]> {
  const rows = await db
    .selectFrom('payout_settings')
    .innerJoin('payees', 'payees.id', 'payout_settings.payee_id')
    .leftJoin('operator_keys', 'operator_keys.key', 'payout_settings.operator_key')
    .leftJoin('operators', 'operators.id', 'operator_keys.operator_id')
    .selectAll('payout_settings')
    .select('operators.alias')
    .where('payees.destination', '=', payee)
    .$if(before !== null, query => query.where('number', '<', before))
    .orderBy('number', 'desc')
    .limit(Math.min(limit, ROWS_MAX))
    .execute()
  return rows.map(row => ({
    ...settingsFromRow(row),
    givenAt: unixMs(Number(row.given_ms)),
    proof: row.proof,
    text: row.message,
    signature: row.signature,
    operator: row.alias,
    reason: row.reason,
  }))
}

function settingsFromRow(row: SettingsRow): PayoutSettings {
  const feeRateMax = row.fee_rate_max_sat_per_kvb
  return {
    number: row.number,
    rails: railsFromJson(row.rails),
    paused: row.paused,
    feeRateMax: feeRateMax === null ? null : sats(feeRateMax),
    paysFrom: unixMs(Number(row.pays_from_ms)),
    destinationsBy: keyFromRow(row.destinations_key),
  }
}

function railsFromJson(json: unknown): RailSetting[] {
  return railsSchema.parse(json).map(({ minimumSats, ...rest }) => ({
    ...rest,
    minimum: sats(BigInt(minimumSats)),
  }))
}

/** As `settingsOf` reads them again. */
export function railsToJson(rails: readonly RailSetting[]): string {
  return JSON.stringify(
    rails.map(({ rail, destination, minimum }) => ({
      rail,
      destination,
      minimumSats: minimum.toString(),
    })),
  )
}

function keyFromRow(text: string | null): OperatorKey | null {
  if (text === null) return null
  const key = parseOperatorKey(text)
  assert(key !== null, 'only keys of operators are stored')
  return key
}
