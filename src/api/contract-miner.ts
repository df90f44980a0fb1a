import { z } from 'zod'
import { canonicalPayee } from '../payouts/index.ts'
import { decimalHashes, hash, hashrate, height, listOf, millis, whole } from './contract.ts'

/** What a payee has earned and is owed; contract.ts says how amounts are written. */

// A NUL is no text to the database, which would call it a fault of ours.
const payee = z.string().regex(/^[^\0]*$/, 'no NUL')
/** A Thunder address may come in either form: both are one payee. */
export const payeeParams = z.strictObject({
  payee: payee.min(1).max(320).transform(canonicalPayee),
})
const sides = { pendingMsat: whole, payableMsat: whole, inflightMsat: whole }
const nextPayment = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('height'), height }),
  z.object({ kind: z.literal('time'), atMs: millis }),
])
/** Beside an address: it has a checksum, and is what wallets take. */
export const depositForm = z
  .string()
  .nullable()
  .describe('a Thunder address as people copy it; null for any other')
export const minerReply = z.object({
  payee: z.string(),
  kind: z.enum(['bitcoin', 'thunder', 'lightning']),
  depositForm,
  accounts: z.array(
    z.object({
      scheme: z.string(),
      ...sides,
      minimumSats: whole.nullable().describe('null where the scheme is no longer offered'),
      nextPayment: nextPayment.nullable().describe('the earliest; null before the first credit'),
      waiting: z
        .object({
          kind: z.string(),
          detail: z.string().describe('for people'),
          batch: whole.nullable(),
          expected: nextPayment.nullable().describe('when this reason ends, where that is known'),
        })
        .nullable()
        .describe('why it has not been paid yet; null before the first credit'),
    }),
  ),
  hashrate: hashrate.nullable(),
})
export const workersReply = listOf(
  z.object({
    name: z.string(),
    scheme: z.string(),
    shares: whole,
    work: decimalHashes,
    hashesPerSecond: decimalHashes,
    rejects: z.record(z.string(), whole),
  }),
)
export const balancesReply = z.object({
  ...sides,
  accounts: z.array(z.object({ scheme: z.string(), ...sides })),
})
export const earningsReply = listOf(
  z.object({
    reward: whole.describe('number of the reward statement'),
    scheme: z.string(),
    amountMsat: whole,
    rewardPool: z.string(),
    epoch: whole,
    block: hash.nullable(),
    height,
    creditedMs: millis,
  }),
)
