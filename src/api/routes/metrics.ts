import { Gauge, Registry } from 'prom-client'
import { z } from 'zod'
import type { Api } from '../app.ts'
import type { ApiParts } from '../rooms.ts'
import { askParts } from './health.ts'

/** What Prometheus scrapes: figures that an alert can be set on, of nobody in particular. */
export function addMetricsRoute(api: Api, { health, coinbase }: ApiParts): void {
  const registry = new Registry()
  const registers = [registry]
  const up = new Gauge({
    ...{ name: 'sidepool_part_up', help: '1 where a part of /health is well', registers },
    labelNames: ['part'] as const,
  })
  const length = new Gauge({
    ...{ name: 'sidepool_coinbase_bytes', registers },
    help: 'Length of the newest coinbase that shares came on, with its witness',
  })
  const alarm = new Gauge({
    ...{ name: 'sidepool_coinbase_alarm_bytes', registers },
    help: 'Above this length some miners cannot hold the coinbase (schemes[].coinbase.alarmBytes)',
  })
  alarm.set(coinbase.alarmBytes)
  const schema = {
    tags: ['operations'],
    summary: 'Figures in the text format of Prometheus',
    response: { 200: z.string() },
  }
  api.get('/metrics', { schema, config: { rateLimit: false } }, async (_request, reply) => {
    for (const { name, ok } of await askParts(health)) up.set({ part: name }, ok ? 1 : 0)
    const bytes = await coinbase.newestBytes()
    if (bytes !== null) length.set(bytes)
    reply.type(registry.contentType).header('cache-control', 'no-store')
    return registry.metrics()
  })
}
