import type { Api } from '../app.ts'
import { healthReply } from '../contract.ts'
import type { ApiParts, HealthPart } from '../rooms.ts'

/** A part that takes longer to answer is not well. */
const PART_MS_MAX = 3000

/** Each part of the pool by name; 503 where one is not well, for a load balancer or an alert. */
export function addHealthRoute(api: Api, { health }: ApiParts): void {
  const schema = {
    tags: ['operations'],
    summary: 'How each part is',
    response: { 200: healthReply, 503: healthReply },
  }
  api.get('/health', { schema, config: { rateLimit: false } }, async (_request, reply) => {
    const parts = await askParts(health)
    const ok = parts.every(part => part.ok)
    reply.code(ok ? 200 : 503).header('cache-control', 'no-store')
    return { status: ok ? ('ok' as const) : ('failing' as const), parts }
  })
}

/** Every part by name, in the order of the names. */
export async function askParts(
  health: ApiParts['health'],
): Promise<(HealthPart & { readonly name: string })[]> {
  const names = Object.keys(health).sort()
  return Promise.all(names.map(async name => ({ name, ...(await ask(health[name])) })))
}

async function ask(part: (() => Promise<HealthPart>) | undefined): Promise<HealthPart> {
  const { promise, resolve } = Promise.withResolvers<HealthPart>()
  const timer = setTimeout(() => resolve({ ok: false, detail: 'no answer in time' }), PART_MS_MAX)
  // Its words may hold a host or worse, and this page is for everyone.
  const asked = part?.().catch(() => ({ ok: false, detail: 'does not answer' })) ?? promise
  try {
    return await Promise.race([asked, promise])
  } finally {
    clearTimeout(timer)
  }
}
