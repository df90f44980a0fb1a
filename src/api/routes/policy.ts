import type { FastifyRequest } from 'fastify'
import type { Spent } from '../../approval/index.ts'
import { spentByRules } from '../../payouts/index.ts'
import { encodeRules, rulesHash, type SpendRules } from '../../treasury/index.ts'
import type { Api } from '../app.ts'
import * as contract from '../contract.ts'
import { policyReply } from '../contract-policy.ts'
import type { ApiParts } from '../rooms.ts'

/** The rules in force and how much of the day they have left, for whoever may read the treasury. */
export function addPolicyRoute(
  api: Api,
  { db, clock, rules }: ApiParts,
  preValidation: (request: FastifyRequest) => Promise<void>,
): void {
  api.get(
    '/treasury/policy',
    {
      preValidation,
      schema: {
        tags: ['treasury'],
        security: [{ bearer: [] }],
        summary: 'The rules by which money leaves',
        response: { 200: policyReply, default: contract.problem },
      },
    },
    async () => policyJson(rules, await spentByRules(db, rules, clock.now(), null)),
  )
}

function policyJson(rules: SpendRules, spent: Spent) {
  const { version, bands, auto, limits, allowList, coolOffHours } = rules
  const text = (amount: bigint | null) => amount?.toString() ?? null
  return {
    version,
    hash: rulesHash(encodeRules(rules)),
    bands: bands.map(({ upTo, approvals }) => ({ upToSats: text(upTo), approvals })),
    auto: auto && {
      poolKey: auto.poolKey,
      perBatchSats: auto.perBatch.toString(),
      perDaySats: auto.perDay.toString(),
    },
    limits: {
      perBatchSats: text(limits.perBatch),
      perDaySats: text(limits.perDay),
      perDestinationPerDaySats: text(limits.perDestinationPerDay),
    },
    allowList: allowList && [...allowList].sort(),
    coolOffHours,
    spent: { daySats: spent.day.toString(), autoDaySats: spent.autoDay.toString() },
  }
}
