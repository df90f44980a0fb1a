import type { FastifyInstance, FastifyRequest } from 'fastify'
import {
  addressSubject,
  type Bearer,
  bearerOf,
  countFailure,
  lockedUntil,
  type TokenScope,
} from '../treasury/index.ts'
import { Problem, type ProblemCode } from './errors.ts'
import type { ApiParts } from './rooms.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, on a route that `requireScope` guards; null on every other. */
    operator: Bearer | null
  }
}

type Parts = Pick<ApiParts, 'db' | 'clock' | 'log'>

/** Refusals by which somebody may be guessing; so many of them lock an address out. */
const GUESSES: ReadonlySet<ProblemCode> = new Set([
  'bad-signature',
  'bad-token',
  'unauthorized',
  'unknown-operator',
])

/** Makes `request.operator` known to the framework. */
export function addAuth(app: FastifyInstance): void {
  app.decorateRequest('operator', null)
}

/**
 * Opens a route to bearer tokens of operators with this scope: a hook for `preValidation`, so that
 * a request without one learns nothing of the route, or for `preParsing` where a body may be large.
 * Sets `request.operator`.
 *
 * A locked address is refused before anything else is looked at, a good token too.
 */
export function requireScope(parts: Parts, scope: TokenScope) {
  return async (request: FastifyRequest): Promise<void> => {
    await refuseLocked(request, parts)
    const { authorization } = request.headers
    const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1]
    const bearer = token === undefined ? null : await bearerOf(parts.db, token, parts.clock.now())
    if (bearer === null) {
      // Whoever shows nothing has guessed nothing.
      if (authorization !== undefined) await count(request, parts)
      throw new Problem('unauthorized')
    }
    request.operator = bearer
    if (!bearer.scopes.includes(scope)) throw new Problem('missing-scope', scope)
  }
}

/**
 * Hooks of a route that takes a signature instead of a token: a locked address is refused, and what
 * could be a guess is counted. Only the address: whoever knows an operator's public key must not
 * be able to lock that operator out of freezing and rejecting.
 */
export function guardSigned(parts: Parts) {
  return {
    preValidation: (request: FastifyRequest) => refuseLocked(request, parts),
    onError: async (request: FastifyRequest, _reply: unknown, error: Error): Promise<void> => {
      if (error instanceof Problem && GUESSES.has(error.code)) await count(request, parts)
    },
  }
}

/** Who asks, on a route that `requireScope` guards. */
export function bearerIn(request: FastifyRequest): Bearer {
  if (request.operator === null) throw new Error('the route is not guarded')
  return request.operator
}

async function refuseLocked({ ip }: FastifyRequest, { db, clock }: Parts): Promise<void> {
  const until = await lockedUntil(db, [addressSubject(ip)], clock.now())
  if (until !== null) throw new Problem('locked-out')
}

async function count({ ip }: FastifyRequest, { db, clock, log }: Parts): Promise<void> {
  const until = await countFailure(db, addressSubject(ip), clock.now())
  if (until !== null) log.warn({ address: ip, until }, 'too many failed attempts: locked out')
}
