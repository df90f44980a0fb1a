import { parseOperatorKey } from '../../approval/index.ts'
import { fromHex } from '../../lib/bytes.ts'
import { digest, unixMs } from '../../lib/ids.ts'
import {
  type ChangeRefusal,
  changeOperators,
  joinAsFirstAdmin,
  operatorsHead,
  readOperators,
  type SignedOperatorAct,
} from '../../treasury/index.ts'
import type { Api } from '../app.ts'
import { guardSigned, requireScope } from '../auth.ts'
import * as contract from '../contract.ts'
import * as shape from '../contract-operators.ts'
import { Problem } from '../errors.ts'
import type { ApiParts } from '../rooms.ts'

/** Signatures checked for one address in a minute; each costs some tenths of a millisecond. */
export const SIGNED_PER_MINUTE_MAX = 60
/** What a route that takes signatures allows one address. */
export const signedLimit = { rateLimit: { max: SIGNED_PER_MINUTE_MAX, timeWindow: '1 minute' } }

/** Who acts for the treasury, and how that changes: by signatures, never by a token alone. */
export function addOperatorRoutes(api: Api, parts: ApiParts): void {
  const { db, clock, pool } = parts
  const tags = ['operators']
  const response = { 200: shape.changeReply, default: contract.problem }
  api.get(
    '/treasury/operators',
    {
      preValidation: requireScope(parts, 'read'),
      schema: {
        ...{ tags, security: [{ bearer: [] }], summary: 'Operators with their good keys' },
        response: { 200: shape.operatorsReply, default: contract.problem },
      },
    },
    async () => {
      const [head, operators] = [await operatorsHead(db), await readOperators(db)]
      const items = operators.map(({ alias, roles, keys }) => ({
        ...{ alias, roles: [...roles] },
        keys: keys.map(({ key, notAfter }) => ({ key, notAfterMs: notAfter })),
      }))
      return { head, items }
    },
  )
  api.post(
    '/treasury/operators',
    {
      ...guardSigned(parts),
      config: signedLimit,
      schema: { tags, summary: 'A signed change of operators', body: shape.changeBody, response },
    },
    async ({ body }) => {
      const signed = signedOf(pool.network, body)
      const verdict = await db
        .transaction()
        .execute(tx => changeOperators(tx, pool.network, signed, clock.now()))
      if (verdict.kind === 'accepted') return { head: verdict.head }
      throw changeProblem(verdict.reason)
    },
  )
  api.get(
    '/treasury/join',
    {
      schema: {
        ...{ tags, summary: 'What a first admin’s signature names' },
        response: { 200: shape.headReply, default: contract.problem },
      },
    },
    async () => ({ network: pool.network, head: await operatorsHead(db) }),
  )
  api.post(
    '/treasury/join',
    {
      ...guardSigned(parts),
      config: signedLimit,
      schema: {
        ...{ tags, summary: 'Become the first admin by the console’s token' },
        ...{ body: shape.joinBody, response },
      },
    },
    async ({ body: { token, ...body } }) => {
      const signed = signedOf(pool.network, body)
      const verdict = await db
        .transaction()
        .execute(tx => joinAsFirstAdmin(tx, pool.network, { token, signed }, clock.now()))
      if (verdict.kind === 'accepted') return { head: verdict.head }
      throw verdict.reason === 'bad token'
        ? new Problem('bad-token')
        : changeProblem(verdict.reason)
    },
  )
}

type ChangeBody = {
  readonly operatorKey: string
  readonly previous: string
  readonly atMs: number
  readonly change: SignedOperatorAct['act']['change']
  readonly signature: string
}

function signedOf(network: string, body: ChangeBody): SignedOperatorAct {
  const { operatorKey, previous, atMs, change, signature } = body
  const by = keyIn(operatorKey)
  const act = { network, previous: digest(previous), at: unixMs(atMs), by, change }
  return { act, signature: fromHex(signature) }
}

/** @throws Problem where the text is no point of the curve, so nobody's key */
export function keyIn(text: string) {
  const key = parseOperatorKey(text)
  if (key === null) throw new Problem('unknown-operator')
  return key
}

function changeProblem(reason: ChangeRefusal): Problem {
  switch (reason) {
    case 'unknown operator':
      return new Problem('unknown-operator')
    // The network is in what is signed, so a signature for another is none for this one.
    case 'other network':
    case 'bad signature':
      return new Problem('bad-signature')
    case 'not allowed':
      return new Problem('not-allowed')
    case 'too old':
      return new Problem('outdated-act')
    case 'outdated':
      return new Problem('outdated-act', 'operators were changed since; read them again')
    default:
      return new Problem('change-refused', reason)
  }
}
