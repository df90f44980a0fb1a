import { type Kysely, type Selectable, sql } from 'kysely'
import { z } from 'zod'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type PayeeId, payeeId, unixMs } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import { type OperatorKey, parseOperatorKey } from '../treasury/index.ts'
import type { PayoutSettings, RailSetting } from './settings.ts'

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

function keyFromRow(text: string | null): OperatorKey | null {
  if (text === null) return null
  const key = parseOperatorKey(text)
  assert(key !== null, 'only keys of operators are stored')
  return key
}
