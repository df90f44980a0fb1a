import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import { type FastifyInstance, fastify } from 'fastify'
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod'
import { withTypes } from './app.ts'
import { addAuth } from './auth.ts'
import { Problem, problemOf, sendProblem } from './errors.ts'
import { addPages } from './pages/pages.ts'
import type { ApiParts } from './rooms.ts'
import { addFreezeRoutes } from './routes/freeze.ts'
import { addHealthRoute } from './routes/health.ts'
import { addLogRoute } from './routes/log.ts'
import { addMetricsRoute } from './routes/metrics.ts'
import { addInvoiceRoutes } from './routes/miner-invoices.ts'
import { addPayoutRoutes } from './routes/miner-payouts.ts'
import { addSettingsRoutes } from './routes/miner-settings.ts'
import { addMinerRoutes } from './routes/miners.ts'
import { addOperatorRoutes } from './routes/operators.ts'
import { addPoolRoutes } from './routes/pool.ts'
import { addPsbtRoutes } from './routes/psbt.ts'
import { addStatementRoutes } from './routes/statements.ts'
import { addTokenRoutes } from './routes/tokens.ts'
import { addTreasuryRoutes } from './routes/treasury.ts'

/** A larger body is refused with 413; an act takes less than a kilobyte. */
const BODY_BYTES_MAX = 16_384
/** A longer part of a path is no payee of ours. */
const PARAM_CHARACTERS_MAX = 400
/** A request that takes longer to arrive is cut off. */
const REQUEST_MS_MAX = 10_000
const VERSION = '1.0.0'

/** The whole HTTP interface, not listening yet: a test injects requests. */
export async function buildApi(parts: ApiParts): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    // Anybody else could write any address into a header, so only the socket's counts.
    trustProxy: parts.trustedProxies.length > 0 ? [...parts.trustedProxies] : false,
    routerOptions: { maxParamLength: PARAM_CHARACTERS_MAX },
    // What fails before a route is found, such as an address that is no URL.
    frameworkErrors: (error, _request, reply) => sendProblem(reply, problemOf(error)),
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  answerWithProblems(app, parts)
  addAuth(app)
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: CONTENT_SECURITY_POLICY },
    // Whether a name is served by TLS only, for a year, is its owner's to say.
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
  })
  await app.register(rateLimit, { max: parts.requestsPerMinuteMax, timeWindow: '1 minute' })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: parts.pool.name, version: VERSION },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
  })
  await app.register(async scope => {
    const api = withTypes(scope)
    addPages(api, parts)
    addHealthRoute(api, parts)
    addMetricsRoute(api, parts)
  })
  await app.register(
    async scope => {
      const api = withTypes(scope)
      addPoolRoutes(api, parts)
      addStatementRoutes(api, parts)
      addMinerRoutes(api, parts)
      addPayoutRoutes(api, parts)
      addSettingsRoutes(api, parts)
      addInvoiceRoutes(api, parts)
      addTreasuryRoutes(api, parts)
      addPsbtRoutes(api, parts)
      addOperatorRoutes(api, parts)
      addTokenRoutes(api, parts)
      addFreezeRoutes(api, parts)
      addLogRoute(api, parts)
      api.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
    },
    { prefix: '/api/v1' },
  )
  return app
}

const CONTENT_SECURITY_POLICY = {
  defaultSrc: ["'none'"],
  styleSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
}

function answerWithProblems(app: FastifyInstance, { log }: ApiParts): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    if (problem.status >= 500) {
      const reason = error instanceof Error ? error.message : String(error)
      log.error({ route: request.routeOptions.url, reason }, 'request failed')
    }
    return sendProblem(reply, problem)
  })
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, problemOf(new Problem('unknown-route'))),
  )
}
