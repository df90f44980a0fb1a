import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { canonicalJson } from '../../approval/index.ts'
import { type ChainedEvent, eventsAfter } from '../../treasury/index.ts'
import type { Api } from '../app.ts'
import { requireScope } from '../auth.ts'
import * as contract from '../contract.ts'
import * as shape from '../contract-operators.ts'
import type { ApiParts } from '../rooms.ts'

/** Events read at a time, so that the whole log is never in memory. */
const EVENTS_PER_TURN = 500
/** Events in one reply; whoever wants more asks again after the last one. */
const EVENTS_MAX = 100_000

/** What everybody did, with its chain. */
export function addLogRoute(api: Api, parts: ApiParts): void {
  api.get(
    '/treasury/log',
    {
      preValidation: requireScope(parts, 'read'),
      schema: {
        tags: ['treasury'],
        security: [{ bearer: [] }],
        summary: 'Every action as lines of JSON, oldest first, each with its place in the chain',
        querystring: shape.logQuery,
        produces: ['application/x-ndjson'],
        response: { 200: z.string(), default: contract.problem },
      },
    },
    async ({ query }, reply) => sendLines(reply, parts, BigInt(query.after)),
  )
}

function sendLines(reply: FastifyReply, parts: ApiParts, after: bigint) {
  reply.type('application/x-ndjson').header('cache-control', 'no-store')
  return reply.send(Readable.from(lines(parts, after)))
}

async function* lines({ db }: ApiParts, after: bigint): AsyncGenerator<string> {
  let last = after
  for (let given = 0; given < EVENTS_MAX; given += EVENTS_PER_TURN) {
    const events = await eventsAfter(db, last, EVENTS_PER_TURN)
    if (events.length > 0) yield events.map(lineOf).join('')
    last = events.at(-1)?.position ?? last
    if (events.length < EVENTS_PER_TURN) return
  }
}

function lineOf(event: ChainedEvent): string {
  return `${canonicalJson(event)}\n`
}
