import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { unreachable } from '../../lib/assert.ts'
import {
  type ChangeOutcome,
  changeSettings,
  defaultWishes,
  grantWishes,
  type PayeeReport,
  type PayoutWishes,
  type SettingsChange,
  type SettingsRules,
  settingsHistory,
  settingsOf,
  settingsText,
} from '../../payouts/index.ts'
import type { Api } from '../app.ts'
import * as contract from '../contract.ts'
import { payeeParams } from '../contract-miner.ts'
import { decodeCursor, encodeCursor, numberKey, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import * as own from '../payout-contract.ts'
import type { ApiParts } from '../rooms.ts'
import { requirePayee } from './miners.ts'
import { badProof, PROOF_RATE, proofOf, requireUnlocked } from './proofs.ts'

const AT = '/miners/:payee/payout-settings'

/** How a payee is paid. Reading is public; a change is proven by the payee's key. */
export function addSettingsRoutes(api: Api, parts: ApiParts): void {
  const params = payeeParams
  const schemaOf = <Reply extends z.ZodType>(summary: string, reply: Reply) => ({
    ...{ tags: ['miner'], summary, params },
    response: { 200: reply, default: contract.problem },
  })
  api.get(AT, { schema: schemaOf('Payout settings in force', own.settingsReply) }, async request =>
    settings(parts, await requirePayee(parts, request.params.payee)),
  )
  const history = {
    ...schemaOf('Changes of payout settings, newest first', own.settingsHistoryReply),
    querystring: contract.listQuery,
  }
  api.get(`${AT}/history`, { schema: history }, async ({ params: { payee }, query }) =>
    changes(parts, await requirePayee(parts, payee), query),
  )
  const text = { ...schemaOf('The text to sign for a change', own.textReply), body: own.wishesBody }
  api.post(`${AT}/text`, { schema: text }, async ({ params: { payee }, body }, reply) =>
    reply
      .type('text/plain; charset=utf-8')
      .send(await textToSign(parts, await requirePayee(parts, payee), body)),
  )
  const put = { ...schemaOf('Change payout settings', own.settingsReply), body: own.settingsBody }
  api.put(AT, { schema: put, config: PROOF_RATE }, async request =>
    changeWith(parts, request, { payee: request.params.payee, ...request.body }),
  )
}

/** What the pool says of every payee's settings. */
export function rulesOf({ pool, destinations, coolOffMs }: ApiParts): SettingsRules {
  return { pool: pool.name, network: pool.network, destinations, coolOffMs }
}

/** The settings in force, or what holds where none were ever set. */
export async function settings(parts: ApiParts, payee: PayeeReport) {
  const found = (await settingsOf(parts.db, [payee.id])).get(payee.id) ?? null
  return {
    payee: payee.destination,
    number: found?.number ?? 0,
    nextNumber: (found?.number ?? 0) + 1,
    ...wishesJson(found ?? defaultWishes(payee.destination, parts.destinations)),
    paysFromMs: found?.paysFrom ?? null,
    byOperator: found !== null && found.destinationsBy !== null,
  }
}

/** Changes of settings, each with its proof, so that anybody can check it. */
export async function changes(
  { db }: ApiParts,
  payee: PayeeReport,
  query: z.infer<typeof contract.listQuery>,
) {
  const limit = Number(query.limit)
  const keys = query.cursor === undefined ? null : decodeCursor('settings', query.cursor, 1)
  const before = keys && Number(numberKey(keys[0]))
  const rows = await settingsHistory(db, payee.destination, { before, limit })
  const item = (row: SettingsChange) => ({
    number: row.number,
    ...wishesJson(row),
    paysFromMs: row.paysFrom,
    givenMs: row.givenAt,
    proof: row.proof,
    operator: row.operator,
    reason: row.reason,
    text: row.text,
    signature: row.signature,
  })
  return page(rows, limit, item, last => encodeCursor('settings', [last.number]))
}

/** @throws Problem `settings-refused` where no signature would help */
export async function textToSign(
  parts: ApiParts,
  payee: PayeeReport,
  wishes: PayoutWishes,
): Promise<string> {
  const granted = grantWishes(payee.destination, wishes, parts.destinations)
  if (granted.kind === 'refused') throw new Problem('settings-refused', granted.reason)
  const { nextNumber } = await settings(parts, payee)
  const context = { ...rulesOf(parts), payee: payee.destination, number: nextNumber }
  return settingsText(context, granted.wishes)
}

/** Changes settings for whoever proves the change. @throws Problem where they are not changed */
export async function changeWith(
  parts: ApiParts,
  request: FastifyRequest,
  { payee, number, wishes, proof }: z.infer<typeof own.settingsBody> & { readonly payee: string },
) {
  await requireUnlocked(parts, request)
  const given = { payee, number, wishes, proof: proofOf(proof) }
  const outcome = await changeSettings(parts.db, rulesOf(parts), given, parts.clock.now())
  if (outcome.kind !== 'changed') throw await problemOf(parts, request, outcome)
  return settings(parts, await requirePayee(parts, payee))
}

async function problemOf(
  parts: ApiParts,
  request: FastifyRequest,
  outcome: Exclude<ChangeOutcome, { kind: 'changed' }>,
): Promise<Problem> {
  switch (outcome.kind) {
    case 'unknown payee':
      return new Problem('unknown-resource', 'nobody has mined to this payee yet')
    case 'outdated':
      return new Problem('outdated-settings', `the next number is ${outcome.next}`)
    case 'refused':
      return new Problem('settings-refused', outcome.reason)
    case 'unproven':
      return badProof(parts, request, outcome.reason)
    case 'unknown operator':
      await badProof(parts, request, '')
      return new Problem('unknown-operator')
    case 'too many':
      return new Problem('settings-refused', 'they were changed too often today')
    default:
      return unreachable(outcome)
  }
}

function wishesJson({ rails, paused, feeRateMax }: PayoutWishes) {
  return {
    rails: rails.map(({ rail, destination, minimum }) => ({
      rail,
      destination,
      minimumSats: minimum.toString(),
    })),
    paused,
    feeRateMaxSatPerKvb: feeRateMax?.toString() ?? null,
  }
}
