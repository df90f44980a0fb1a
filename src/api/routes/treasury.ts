import { approvalsNeeded, verdictText } from '../../approval/index.ts'
import { unreachable } from '../../lib/assert.ts'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { type BatchId, batchId, digest } from '../../lib/ids.ts'
import { sats } from '../../lib/money.ts'
import {
  type BatchDetail,
  type BatchReport,
  batchOf,
  judgeBatch,
  listBatches,
} from '../../payouts/index.ts'
import { approversOf, policyNow, type SpendRules } from '../../treasury/index.ts'
import type { Api } from '../app.ts'
import { guardSigned, requireScope } from '../auth.ts'
import * as contract from '../contract.ts'
import { decodeCursor, encodeCursor, numberKey, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import type { ApiParts, Decision, GivenAct } from '../rooms.ts'
import { addFloatRoutes } from './floats.ts'
import { signedLimit } from './operators.ts'
import { addPolicyRoute } from './policy.ts'
import { parseCanonical } from './statements.ts'

/**
 * What operators see and say. Reading takes an operator's bearer token, since a manifest shows
 * who is paid what; an act is proven by its own signature and takes no token.
 */
export function addTreasuryRoutes(api: Api, parts: ApiParts): void {
  const tags = ['treasury']
  const preValidation = requireScope(parts, 'read')
  const read = { tags, security: [{ bearer: [] }] }
  api.get(
    '/treasury/batches',
    {
      preValidation,
      schema: {
        ...read,
        summary: 'Batches, newest first',
        querystring: contract.listQuery,
        response: { 200: contract.batchesReply, default: contract.problem },
      },
    },
    async ({ query }) => {
      const limit = Number(query.limit)
      const keys = query.cursor === undefined ? null : decodeCursor('batches', query.cursor, 1)
      const before = keys && batchId(numberKey(keys[0]))
      const rows = await listBatches(parts.db, { before, limit })
      const approvers = await approversOf(parts.db, batchesIn(rows))
      const json = (row: BatchReport) => ({
        ...batchJson(row),
        ...approvalJson(row, approvers, parts.rules),
      })
      return page(rows, limit, json, last => encodeCursor('batches', [last.batch]))
    },
  )
  api.get(
    '/treasury/batches/:number',
    {
      preValidation,
      schema: {
        ...read,
        summary: 'A batch with its manifest, transactions and acts',
        params: contract.numberParams,
        response: { 200: contract.batchReply, default: contract.problem },
      },
    },
    async ({ params }) => {
      const batch = await batchOf(parts.db, batchId(BigInt(params.number)))
      if (batch === null) throw new Problem('unknown-resource', 'there is no such batch')
      const approvers = await approversOf(parts.db, [batch.batch])
      const approvals = approvalJson(batch, approvers, parts.rules)
      return { ...detailJson(batch), ...approvals, heldBack: await heldBack(parts, batch) }
    },
  )
  addPolicyRoute(api, parts, preValidation)
  api.get(
    '/treasury/audit',
    {
      preValidation,
      schema: {
        ...read,
        summary: 'Whether the ledger is whole',
        response: { 200: contract.auditReply, default: contract.problem },
      },
    },
    async () => {
      const { entries, checkedAfter, complaints, ...rest } = await parts.audit()
      return {
        ...rest,
        entries: entries.toString(),
        checkedAfter: checkedAfter.toString(),
        complaints: [...complaints],
      }
    },
  )
  addFloatRoutes(api, parts)
  addActRoutes(api, parts, tags)
}

function addActRoutes(api: Api, parts: ApiParts, tags: string[]): void {
  const { decide } = parts
  const guard = { ...guardSigned(parts), config: signedLimit }
  const response = { 200: contract.actReply, default: contract.problem }
  const params = contract.numberParams
  api.post(
    '/treasury/batches/:number/approve',
    {
      ...guard,
      schema: { tags, summary: 'Approve', params, body: contract.approveBody, response },
    },
    async ({ params: { number }, body }) => act(decide, number, { kind: 'approve' }, body),
  )
  api.post(
    '/treasury/batches/:number/reject',
    {
      ...guard,
      schema: {
        tags,
        summary: 'Reject, which ends it',
        params,
        body: contract.rejectBody,
        response,
      },
    },
    async ({ params: { number }, body }) =>
      act(decide, number, { kind: 'reject', reason: body.reason }, body),
  )
}

type SignedBody = {
  readonly operatorKey: string
  readonly manifestHash: string
  readonly signature: string
}

async function act(
  decide: ApiParts['decide'],
  number: string,
  given: GivenAct['act'],
  { operatorKey, manifestHash, signature }: SignedBody,
) {
  const decision = await decide({
    batch: batchId(BigInt(number)),
    act: given,
    operatorKey,
    manifestHash: digest(manifestHash),
    signature: fromHex(signature),
  })
  if (decision.kind === 'accepted') return { batch: number, state: decision.batch }
  throw refusal(decision)
}

function refusal(decision: Exclude<Decision, { kind: 'accepted' }>): Problem {
  if (decision.kind === 'unknown batch') {
    return new Problem('unknown-resource', 'there is no such batch')
  }
  switch (decision.reason) {
    case 'other manifest':
      return new Problem('outdated-manifest')
    case 'unknown operator':
      return new Problem('unknown-operator')
    case 'not an approver':
      return new Problem('not-an-approver')
    case 'own batch':
      return new Problem('own-batch')
    case 'bad signature':
      return new Problem('bad-signature')
    case 'repeated':
      return new Problem('already-acted')
    case 'expired':
      return new Problem('batch-expired')
    case 'already decided':
      return new Problem('batch-decided')
    case 'bad reason':
      return new Problem('invalid-request', 'a reason is plain words, not too many')
    default:
      return unreachable(decision.reason)
  }
}

const batchesIn = (rows: readonly BatchReport[]) => rows.map(({ batch }) => batch)

/** Why the rules of now let a batch not be signed; empty where they do, or it left or ended. */
async function heldBack(
  { db, clock, rules }: ApiParts,
  { batch, state }: BatchReport,
): Promise<string> {
  if (state !== 'planned' && state !== 'approved') return ''
  return verdictText(await judgeBatch(db, await policyNow(db, rules), batch, clock.now()))
}

/** Who approved a batch, and how many must by the rules of now. */
function approvalJson(
  { batch, total, feeMax }: BatchReport,
  approvers: ReadonlyMap<BatchId, readonly string[]>,
  rules: SpendRules,
) {
  return {
    approvedBy: [...(approvers.get(batch) ?? [])],
    approvalsNeeded: approvalsNeeded(rules, sats(total + feeMax)),
  }
}

export function batchJson(row: BatchReport) {
  return {
    batch: row.batch.toString(),
    rail: row.rail,
    purpose: row.purpose,
    state: row.state,
    manifestHash: row.manifestHash,
    totalSats: row.total.toString(),
    feeMaxSats: row.feeMax.toString(),
    createdMs: row.createdAt,
    expiresMs: row.expiresAt,
    endedMs: row.endedAt,
    note: row.note,
  }
}

function detailJson(batch: BatchDetail) {
  return {
    ...batchJson(batch),
    manifest: parseCanonical(batch.manifest),
    versions: batch.versions.map(({ version, txid, fee, signed, createdAt }) => ({
      version,
      txid,
      feeSats: fee.toString(),
      signed,
      createdMs: createdAt,
    })),
    acts: batch.acts.map(({ operatorKey, alias, act, reason, signature, givenAt }) => ({
      operatorKey,
      alias,
      act,
      reason,
      signature: toHex(signature),
      givenMs: givenAt,
    })),
  }
}
