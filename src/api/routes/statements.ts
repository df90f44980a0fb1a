import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { epochId } from '../../lib/ids.ts'
import { type RewardBytes, rewardStatementOf } from '../../payouts/index.ts'
import {
  type EpochReport,
  listEpochs,
  type StatementBytes,
  workStatementOf,
} from '../../pool/index.ts'
import type { Api } from '../app.ts'
import * as contract from '../contract.ts'
import { encodeCursor, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import type { ApiParts } from '../rooms.ts'
import { beforeEpoch } from './pool.ts'

/** Epochs and the statements that anyone can check. */
export function addStatementRoutes(api: Api, { db }: ApiParts): void {
  const tags = ['statements']
  api.get(
    '/epochs',
    {
      schema: {
        tags,
        summary: 'Epochs, newest first; the newest is open',
        querystring: contract.listQuery,
        response: { 200: contract.epochsReply, default: contract.problem },
      },
    },
    async ({ query }) => {
      const limit = Number(query.limit)
      const rows = await listEpochs(db, { before: beforeEpoch(query), limit })
      return page(rows, limit, epochJson, last => encodeCursor('epochs', [last.epoch]))
    },
  )
  const schemaOf = (summary: string) => ({
    tags,
    summary,
    params: contract.numberParams,
    querystring: contract.statementQuery,
    response: { 200: contract.statementReply, default: contract.problem },
  })
  api.get(
    '/epochs/:number',
    { schema: schemaOf('An epoch’s work statement') },
    async ({ params, query }, reply) => {
      const found = await workStatementOf(db, epochId(BigInt(params.number)))
      return answer(reply, found, query.format)
    },
  )
  api.get(
    '/rewards/:number',
    { schema: schemaOf('A reward statement') },
    async ({ params, query }, reply) =>
      answer(reply, await rewardStatementOf(db, BigInt(params.number)), query.format),
  )
}

export function epochJson(row: EpochReport) {
  return {
    epoch: row.epoch.toString(),
    openedMs: row.openedAt,
    closedMs: row.closedAt,
    closeReason: row.closeReason,
    blockTarget: row.blockTarget,
    subsidySats: row.subsidy.toString(),
    statementHash: row.statementHash,
  }
}

const parsed = z.record(z.string(), z.json())

/** Canonical bytes are JSON: as bytes they hash to the statement's hash, byte for byte. */
export function parseCanonical(bytes: Uint8Array): z.infer<typeof parsed> {
  return parsed.parse(JSON.parse(new TextDecoder().decode(bytes)))
}

function answer(
  reply: FastifyReply,
  found: StatementBytes | RewardBytes | null,
  format: 'json' | 'bytes',
) {
  if (found === null) throw new Problem('unknown-resource', 'no statement of that number yet')
  // A statement never changes, so whoever has it need not ask again.
  reply.header('cache-control', 'public, max-age=31536000, immutable')
  if (format === 'bytes') {
    reply.header('x-statement-hash', found.hash).type('application/octet-stream')
    return reply.serializer(same => same).send(Buffer.from(found.bytes))
  }
  return {
    hash: found.hash,
    previousHash: found.previousHash,
    createdMs: found.createdAt,
    statement: parseCanonical(found.bytes),
  }
}
