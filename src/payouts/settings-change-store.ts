import type { Kysely, Transaction } from 'kysely'
import { type OperatorKey, operatorWith } from '../approval/index.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import type { Database } from '../lib/db/schema.ts'
import { type PayeeId, payeeId, type UnixMs } from '../lib/ids.ts'
import { readOperators, recordEvent } from '../treasury/index.ts'
import {
  CHANGES_A_DAY_MAX,
  type Destinations,
  grantWishes,
  nextSettings,
  type PayoutSettings,
  type PayoutWishes,
  settingsText,
} from './settings.ts'
import { checkProof, type Proof, type ProvingPayee, signatureText } from './settings-proof.ts'
import { railsToJson, settingsOf } from './settings-store.ts'

const DAY_MS = 86_400_000

/** What the pool says of every payee's settings. */
export type SettingsRules = {
  /** As it stands in every text that is signed. */
  readonly pool: string
  readonly network: Network
  readonly destinations: Destinations
  /** How long after a change of destination nothing is paid. */
  readonly coolOffMs: number
}

/** A change that somebody asks for. */
export type GivenSettings = {
  /** In canonical form. */
  readonly payee: string
  readonly number: number
  readonly wishes: PayoutWishes
  readonly proof: Proof
}

/** What became of it; nothing is written but where it is changed. */
export type ChangeOutcome =
  | { readonly kind: 'changed'; readonly settings: PayoutSettings }
  | { readonly kind: 'unknown payee' }
  /** It has not the number that is next. */
  | { readonly kind: 'outdated'; readonly next: number }
  /** The wishes cannot be granted, whoever signs. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unproven'; readonly reason: string }
  | { readonly kind: 'unknown operator' }
  | { readonly kind: 'too many' }

/**
 * Changes how a payee is paid, if the text that says so is proven. Each change has the number after
 * the last one, so a proof counts once, and of two at one time only one is written.
 */
export async function changeSettings(
  db: Kysely<Database>,
  rules: SettingsRules,
  given: GivenSettings,
  now: UnixMs,
): Promise<ChangeOutcome> {
  const granted = grantWishes(given.payee, given.wishes, rules.destinations)
  if (granted.kind === 'refused') return granted
  return db
    .transaction()
    .execute(tx => change(tx, rules, { ...given, wishes: granted.wishes }, now))
}

async function change(
  tx: Transaction<Database>,
  rules: SettingsRules,
  given: GivenSettings,
  now: UnixMs,
): Promise<ChangeOutcome> {
  const payee = await provingPayee(tx, given.payee)
  if (payee === null) return { kind: 'unknown payee' }
  const previous = (await settingsOf(tx, [payee.id])).get(payee.id) ?? null
  const number = (previous?.number ?? 0) + 1
  if (given.number !== number) return { kind: 'outdated', next: number }
  // Counted before the signature is checked, which is what costs.
  const isTooMany = (await changesSince(tx, payee.id, now - DAY_MS)) >= CHANGES_A_DAY_MAX
  if (isTooMany) return { kind: 'too many' }
  const { wishes, proof } = given
  const text = settingsText({ ...rules, payee: given.payee, number }, wishes)
  const verdict = checkProof(payee, rules.network, text, proof)
  if (verdict.kind === 'refused') return { kind: 'unproven', reason: verdict.reason }
  const by = proof.kind === 'operator' ? proof.operator : null
  const actor = by === null ? `payee:${given.payee}` : await actorWith(tx, by, now)
  if (actor === null) return { kind: 'unknown operator' }
  const settings = nextSettings(previous, wishes, { by, now, coolOffMs: rules.coolOffMs })
  const row = { payee_id: payee.id, proof: verdict.by, message: text, given_ms: BigInt(now) }
  const written = await tx
    .insertInto('payout_settings')
    .values({ ...row, ...settingsRow(settings), ...proofRow(proof) })
    .onConflict(conflict => conflict.columns(['payee_id', 'number']).doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!written) return { kind: 'outdated', next: number + 1 }
  const { reason } = proofRow(proof)
  await recordEvent(tx, {
    ...{ at: now, actor, action: 'set payout settings', subject: `settings:${number}` },
    detail: { payee: given.payee, text, proof: verdict.by, reason },
  })
  return { kind: 'changed', settings }
}

async function provingPayee(
  tx: Transaction<Database>,
  destination: string,
): Promise<(ProvingPayee & { readonly id: PayeeId }) | null> {
  const row = await tx
    .selectFrom('payees')
    .select(['id', 'kind', 'destination'])
    .where('destination', '=', destination)
    .executeTakeFirst()
  return row ? { ...row, id: payeeId(row.id) } : null
}

async function changesSince(tx: Transaction<Database>, payee: PayeeId, sinceMs: number) {
  const rows = await tx
    .selectFrom('payout_settings')
    .select('number')
    .where('payee_id', '=', payee)
    .where('given_ms', '>', BigInt(Math.max(0, sinceMs)))
    .orderBy('number', 'desc')
    .limit(CHANGES_A_DAY_MAX)
    .execute()
  return rows.length
}

/** The operator as the log names it, or null where nobody with this key may set settings. */
async function actorWith(
  tx: Transaction<Database>,
  key: OperatorKey,
  now: UnixMs,
): Promise<string | null> {
  const operator = operatorWith({ operators: await readOperators(tx) }, key, now)
  const may = operator?.roles.some(role => role === 'operator' || role === 'approver')
  return operator && may ? `operator:${operator.alias}` : null
}

function settingsRow(settings: PayoutSettings) {
  return {
    number: settings.number,
    rails: railsToJson(settings.rails),
    paused: settings.paused,
    fee_rate_max_sat_per_kvb: settings.feeRateMax,
    pays_from_ms: BigInt(settings.paysFrom),
    destinations_key: settings.destinationsBy,
  }
}

function proofRow(proof: Proof) {
  const by =
    proof.kind === 'operator'
      ? { operator_key: proof.operator, reason: proof.reason }
      : { operator_key: null, reason: '' }
  return { signature: signatureText(proof), ...by }
}
