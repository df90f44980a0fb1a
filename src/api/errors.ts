import type { FastifyError, FastifyReply } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'

/**
 * Everything that can be answered instead of what was asked for. A code never changes its meaning;
 * docs/api.md lists them, and a test compares the two.
 */
export const PROBLEMS = {
  'invalid-request': { status: 400, title: 'The request is not as the contract says' },
  'invalid-cursor': { status: 400, title: 'The cursor is not one that this list gave' },
  unauthorized: { status: 401, title: 'A valid bearer token is needed' },
  'missing-scope': { status: 403, title: 'This token does not open that' },
  'bad-token': { status: 403, title: 'The one-time token is wrong, used, or too old' },
  'unknown-operator': { status: 403, title: 'No operator has this key' },
  'not-an-approver': { status: 403, title: 'This operator may not approve or reject' },
  'own-batch': { status: 403, title: 'Nobody approves a batch of their own' },
  'not-allowed': { status: 403, title: 'No role of this operator allows that' },
  'bad-signature': { status: 403, title: 'The signature is not this operator’s over this act' },
  'bad-proof': { status: 403, title: 'The signature is not the payee’s over this text' },
  'unknown-route': { status: 404, title: 'There is nothing at this address' },
  'unknown-resource': { status: 404, title: 'There is no such thing, or not yet' },
  'outdated-manifest': { status: 409, title: 'The batch has another manifest' },
  'outdated-act': { status: 409, title: 'It was signed too long ago, or for another state' },
  'change-refused': { status: 409, title: 'This cannot be; the detail says why' },
  'already-acted': { status: 409, title: 'This person said so already' },
  'batch-expired': { status: 409, title: 'The batch has expired' },
  'batch-decided': { status: 409, title: 'The batch is decided or has ended' },
  'outdated-settings': { status: 409, title: 'The settings have another number by now' },
  'payout-refused': { status: 409, title: 'There is nothing to be paid now by asking' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body is not JSON' },
  'bad-psbt': { status: 422, title: 'No signature can be taken from this PSBT' },
  'settings-refused': { status: 422, title: 'The pool cannot pay as these settings say' },
  'invoice-refused': { status: 422, title: 'The pool cannot pay this invoice' },
  'locked-out': {
    status: 429,
    title: 'Too many failed attempts; try again in a quarter of an hour',
  },
  'rate-limited': { status: 429, title: 'Too many requests; try again later' },
  internal: { status: 500, title: 'Something is wrong on our side' },
  unavailable: { status: 503, title: 'The database does not answer; try again later' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemCode = keyof typeof PROBLEMS

/** One field of a request that is wrong, by its JSON pointer. */
export type FieldError = { readonly path: string; readonly message: string }

/** The body of every error. Source: RFC 9457. */
export type ProblemDetails = {
  readonly type: `urn:sidepool:problem:${ProblemCode}`
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly errors?: readonly FieldError[]
}

/** Ends a request with a problem; the error handler writes it. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly statusCode: number

  constructor(code: ProblemCode, detail?: string) {
    super(detail ?? '')
    this.code = code
    this.statusCode = PROBLEMS[code].status
  }
}

/** The problem that an error of ours or of the framework means. Never quotes a bug's own words. */
export function problemOf(error: unknown): ProblemDetails {
  if (error instanceof Problem) return details(error.code, error.message || undefined)
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map(({ instancePath, message }) => ({
      path: instancePath,
      message: message ?? 'not as the contract says',
    }))
    return { ...details('invalid-request', `in the ${error.validationContext}`), errors }
  }
  const { code = '', statusCode = 500 } = partsOf(error)
  if (statusCode === 413) return details('body-too-large')
  if (statusCode === 415) return details('unsupported-media-type')
  if (statusCode === 429) return details('rate-limited')
  if (statusCode >= 400 && statusCode < 500) return details('invalid-request')
  return details(isDatabaseAway(code) ? 'unavailable' : 'internal')
}

/** Writes a problem as RFC 9457 says. */
export function sendProblem(reply: FastifyReply, problem: ProblemDetails): FastifyReply {
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(problem.status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(problem)
}

function details(code: ProblemCode, detail?: string): ProblemDetails {
  const type = `urn:sidepool:problem:${code}` as const
  return { type, ...PROBLEMS[code], ...(detail === undefined ? {} : { detail }) }
}

function partsOf(error: unknown): Partial<Pick<FastifyError, 'code' | 'statusCode'>> {
  if (!(error instanceof Error)) return {}
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const status = 'statusCode' in error ? error.statusCode : undefined
  return { code, statusCode: typeof status === 'number' ? status : 500 }
}

/** Connection failures of the driver, and PostgreSQL's classes 08, 53 and 57. */
function isDatabaseAway(code: string): boolean {
  return /^(E[A-Z]+|08\w{3}|53\w{3}|57\w{3})$/.test(code)
}
