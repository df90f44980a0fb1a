import { fromHex } from '../../lib/bytes.ts'
import { digest, unixMs } from '../../lib/ids.ts'
import {
  countFailure,
  giveToken,
  type LoginRefusal,
  listTokens,
  lockedUntil,
  revokeToken,
} from '../../treasury/index.ts'
import type { Api } from '../app.ts'
import { bearerIn, guardSigned, requireScope } from '../auth.ts'
import * as contract from '../contract.ts'
import * as shape from '../contract-operators.ts'
import { decodeCursor, encodeCursor, numberKey, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import type { ApiParts } from '../rooms.ts'
import { keyIn, signedLimit } from './operators.ts'

/** Bearer tokens: given to a signature, listed, and ended by whoever they are of. */
export function addTokenRoutes(api: Api, parts: ApiParts): void {
  const { db, clock } = parts
  const tags = ['tokens']
  const guarded = { tags, security: [{ bearer: [] }] }
  api.post(
    '/treasury/tokens',
    {
      ...guardSigned(parts),
      config: signedLimit,
      schema: {
        ...{ tags, summary: 'A token for whoever signs', body: shape.loginBody },
        response: { 200: shape.loginReply, default: contract.problem },
      },
    },
    ({ body }) => login(parts, body),
  )
  api.get(
    '/treasury/tokens',
    {
      preValidation: requireScope(parts, 'read'),
      schema: {
        ...{ ...guarded, summary: 'Own tokens, newest first; with the scope operators, all' },
        querystring: contract.listQuery,
        response: { 200: shape.tokensReply, default: contract.problem },
      },
    },
    async request => {
      const { alias, scopes } = bearerIn(request)
      const { cursor, limit } = request.query
      const before = cursor === undefined ? null : numberKey(decodeCursor('tokens', cursor, 1)[0])
      const of = scopes.includes('operators') ? null : alias
      const rows = await listTokens(db, of, { before, limit: Number(limit) })
      const item = (row: (typeof rows)[number]) => ({
        token: row.token.toString(),
        alias: row.alias,
        scopes: [...row.scopes],
        createdMs: row.createdAt,
        expiresMs: row.expiresAt,
        revokedMs: row.revokedAt,
      })
      return page(rows, Number(limit), item, last => encodeCursor('tokens', [last.token]))
    },
  )
  api.post(
    '/treasury/tokens/:number/revoke',
    {
      preValidation: requireScope(parts, 'read'),
      schema: {
        ...{ ...guarded, summary: 'End a token', params: contract.numberParams },
        response: { 200: shape.revokedReply, default: contract.problem },
      },
    },
    async request => {
      const { number } = request.params
      const bearer = bearerIn(request)
      const done = await db
        .transaction()
        .execute(tx => revokeToken(tx, BigInt(number), bearer, clock.now()))
      if (!done) throw new Problem('unknown-resource', 'there is no such token')
      return { token: number }
    },
  )
}

type LoginBody = {
  readonly operatorKey: string
  readonly digest: string
  readonly scopes: readonly ('create' | 'operators' | 'read')[]
  readonly expiresMs: number
  readonly atMs: number
  readonly signature: string
}

async function login({ db, clock, pool }: ApiParts, body: LoginBody) {
  const by = keyIn(body.operatorKey)
  // Logins alone are locked by key too: what stops money takes no token.
  const subject = `key:${by}`
  if ((await lockedUntil(db, [subject], clock.now())) !== null) throw new Problem('locked-out')
  const words = {
    ...{ network: pool.network, by, digest: digest(body.digest), scopes: body.scopes },
    ...{ expiresAt: unixMs(body.expiresMs), at: unixMs(body.atMs) },
  }
  const signed = { login: words, signature: fromHex(body.signature) }
  const verdict = await db
    .transaction()
    .execute(tx => giveToken(tx, pool.network, signed, clock.now()))
  if (verdict.kind === 'accepted') return { token: verdict.token.toString(), alias: verdict.alias }
  if (verdict.reason === 'bad signature') await countFailure(db, subject, clock.now())
  throw loginProblem(verdict.reason)
}

function loginProblem(reason: LoginRefusal): Problem {
  switch (reason) {
    case 'unknown operator':
      return new Problem('unknown-operator')
    case 'other network':
    case 'bad signature':
      return new Problem('bad-signature')
    case 'not allowed':
      return new Problem('not-allowed', 'no role of this operator opens these scopes')
    case 'too old':
      return new Problem('outdated-act')
    default:
      return new Problem('change-refused', reason)
  }
}
