import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'

/** What every route file adds its routes to: requests and replies are typed by their schemas. */
export type Api = ReturnType<typeof withTypes>

export function withTypes(app: FastifyInstance) {
  return app.withTypeProvider<ZodTypeProvider>()
}
