import type { FreezeRefusal, SignedFreezeAct } from '../../approval/index.ts'
import { fromHex } from '../../lib/bytes.ts'
import { digest, unixMs } from '../../lib/ids.ts'
import { giveFreezeAct, listFreezes } from '../../treasury/index.ts'
import type { Api } from '../app.ts'
import { guardSigned, requireScope } from '../auth.ts'
import * as contract from '../contract.ts'
import * as shape from '../contract-operators.ts'
import { decodeCursor, encodeCursor, numberKey, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import type { ApiParts } from '../rooms.ts'
import { keyIn, signedLimit } from './operators.ts'

/** Stopping what money does, by one person's signature, and starting it again, by two. */
export function addFreezeRoutes(api: Api, parts: ApiParts): void {
  const { db, pool } = parts
  const tags = ['freezes']
  const response = { 200: shape.freezeReply, default: contract.problem }
  api.get(
    '/treasury/freeze',
    {
      preValidation: requireScope(parts, 'read'),
      schema: {
        ...{ tags, security: [{ bearer: [] }], summary: 'Freezes, newest first' },
        querystring: contract.listQuery,
        response: { 200: shape.freezesReply, default: contract.problem },
      },
    },
    async ({ query: { cursor, limit } }) => {
      const before = cursor === undefined ? null : numberKey(decodeCursor('freezes', cursor, 1)[0])
      const rows = await listFreezes(db, { before, limit: Number(limit) })
      const item = ({ id, by, key, at, lifts, ...row }: (typeof rows)[number]) => ({
        ...{ ...row, freeze: id.toString(), by, operatorKey: key, atMs: at },
        lifts: lifts.map(lift => ({ by: lift.by, reason: lift.reason, atMs: lift.at })),
      })
      return page(rows, Number(limit), item, last => encodeCursor('freezes', [last.id]))
    },
  )
  api.post(
    '/treasury/freeze',
    {
      ...guardSigned(parts),
      config: signedLimit,
      schema: { tags, summary: 'Freeze a rail, or all', body: shape.freezeBody, response },
    },
    ({ body }) => {
      const { scope, reason } = body
      const act = { ...wordsOf(pool.network, body), kind: 'freeze' as const, scope, reason }
      return give(parts, { act, signature: fromHex(body.signature) }, null)
    },
  )
  api.post(
    '/treasury/freeze/:number/lift',
    {
      ...guardSigned(parts),
      config: signedLimit,
      schema: {
        ...{ tags, summary: 'Lift a freeze; the second person ends it' },
        ...{ params: contract.numberParams, body: shape.liftBody, response },
      },
    },
    ({ params, body }) => {
      const { freeze, reason } = body
      const words = wordsOf(pool.network, body)
      const act = { ...words, kind: 'unfreeze' as const, freeze: digest(freeze), reason }
      return give(parts, { act, signature: fromHex(body.signature) }, BigInt(params.number))
    },
  )
}

function wordsOf(network: string, body: { readonly operatorKey: string; readonly atMs: number }) {
  return { network, at: unixMs(body.atMs), by: keyIn(body.operatorKey) }
}

/** @param freeze the number that the address names, which must be the freeze that was signed for */
async function give({ db, clock, pool }: ApiParts, signed: SignedFreezeAct, freeze: bigint | null) {
  const verdict = await db.transaction().execute(async tx => {
    const given = await giveFreezeAct(tx, pool.network, signed, clock.now())
    if (given.kind === 'accepted' && freeze !== null && given.id !== freeze)
      throw new Problem('unknown-resource', 'this is another freeze')
    return given
  })
  if (verdict.kind === 'refused') throw freezeProblem(verdict.reason)
  return { freeze: verdict.id.toString(), holds: verdict.holds }
}

function freezeProblem(reason: FreezeRefusal): Problem {
  switch (reason) {
    case 'malformed':
      return new Problem('invalid-request', 'a reason is plain words, not too many')
    case 'unknown operator':
      return new Problem('unknown-operator')
    case 'other network':
    case 'bad signature':
      return new Problem('bad-signature')
    case 'too old':
      return new Problem('outdated-act')
    case 'repeated':
      return new Problem('already-acted')
    case 'unknown freeze':
      return new Problem('unknown-resource', 'there is no such freeze')
    default:
      return new Problem('change-refused', reason)
  }
}
