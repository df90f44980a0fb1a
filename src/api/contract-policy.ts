import { z } from 'zod'

/** The rules by which money leaves, as `GET /treasury/policy` tells them. */

const sats = z.string().regex(/^(0|[1-9]\d*)$/)
const hash = z.string().regex(/^[0-9a-f]{64}$/)

export const policyReply = z.object({
  version: z.int().describe('the one that manifests name'),
  hash: hash.describe('of the rules’ canonical bytes'),
  bands: z.array(
    z.object({
      upToSats: sats.nullable().describe('total and largest fee; null is any amount'),
      approvals: z.int(),
    }),
  ),
  auto: z
    .object({ poolKey: hash, perBatchSats: sats, perDaySats: sats })
    .nullable()
    .describe('what the pool’s own key approves alone'),
  limits: z.object({
    perBatchSats: sats.nullable(),
    perDaySats: sats.nullable(),
    perDestinationPerDaySats: sats.nullable(),
  }),
  allowList: z.array(z.string()).nullable().describe('the only destinations; null is any'),
  coolOffHours: z.int(),
  spent: z
    .object({ daySats: sats, autoDaySats: sats })
    .describe('left, or reserved to leave, in the last 24 hours, with the largest fees'),
})
