import { z } from 'zod'
import { operatorChangeSchema } from '../treasury/index.ts'
import { hash, listOf, millis, whole } from './contract.ts'

/** Requests and replies about people: operators, their tokens, freezes and the log. */

const alias = z.string()
const reason = z.string().min(1).max(500)
const scope = z.enum(['create', 'operators', 'read'])
const signed = {
  operatorKey: hash.describe('x-only public key (BIP 340) of whoever signs'),
  atMs: millis.describe('when it was signed; too long ago is refused'),
  signature: z
    .string()
    .regex(/^[0-9a-f]{128}$/)
    .describe('BIP 340, over the tagged hash of the act’s canonical JSON'),
}

export const operatorsReply = z.object({
  head: hash.describe('hash of the newest change, which the next one names'),
  items: z.array(
    z.object({
      alias,
      roles: z.array(z.enum(['viewer', 'operator', 'approver', 'admin'])),
      keys: z.array(z.object({ key: hash, notAfterMs: millis })),
    }),
  ),
})
export const headReply = z.object({ network: z.string(), head: hash })
export const changeBody = z.strictObject({
  ...signed,
  previous: hash,
  change: operatorChangeSchema,
})
export const joinBody = z.strictObject({
  ...changeBody.shape,
  token: z.string().regex(/^[0-9a-f]{64}$/, 'as the console printed it'),
})
export const changeReply = z.object({ head: hash })

export const loginBody = z.strictObject({
  ...signed,
  digest: hash.describe('SHA-256 of the token’s text, which whoever asks made'),
  scopes: z.array(scope).min(1).max(3),
  expiresMs: millis,
})
export const loginReply = z.object({ token: whole.describe('its number'), alias })
export const tokensReply = listOf(
  z.object({
    token: whole,
    alias,
    scopes: z.array(scope),
    createdMs: millis,
    expiresMs: millis,
    revokedMs: millis.nullable(),
  }),
)
export const revokedReply = z.object({ token: whole })

export const freezeBody = z.strictObject({
  ...signed,
  scope: z.string().regex(/^[a-z0-9-]{1,40}$/, 'a rail, or all'),
  reason,
})
export const liftBody = z.strictObject({ ...signed, freeze: hash, reason })
export const freezeReply = z.object({ freeze: whole, holds: z.boolean() })
export const freezesReply = listOf(
  z.object({
    freeze: whole,
    hash: hash.describe('of the freeze’s own words, which a lift names'),
    scope: z.string(),
    reason: z.string(),
    by: alias.nullable().describe('null where the pool itself froze'),
    operatorKey: hash.nullable().describe('whose signature it has; null likewise'),
    atMs: millis,
    holds: z.boolean(),
    lifts: z.array(z.object({ by: alias, reason: z.string(), atMs: millis })),
  }),
)

export const logQuery = z.strictObject({
  after: z
    .string()
    .regex(/^(0|[1-9]\d{0,17})$/, 'a position')
    .default('0'),
})
