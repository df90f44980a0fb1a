import { z } from 'zod'
import { unreachable } from '../lib/assert.ts'
import { equalBytes } from '../lib/bytes.ts'
import { canonicalBytes, type Plain, parseBytes } from './canonical.ts'
import * as field from './fields.ts'
import type { RewardBasis, RewardStatement } from './reward-statement.ts'

/** What bytes that claim to be a reward statement turn out to be. */
export type RewardReading =
  | { readonly kind: 'statement'; readonly statement: RewardStatement }
  | { readonly kind: 'malformed'; readonly reason: string }

const used = z.strictObject({
  epoch: field.epoch,
  hash: field.hexDigest,
  numerator: field.work,
  denominator: field.work,
})

const line = z.strictObject({
  account: field.account,
  payee: field.payee,
  scheme: field.name,
  amountMsat: field.amountMsat,
})

const statement = z.strictObject({
  kind: z.literal('reward'),
  version: z.literal(1),
  network: field.name,
  number: field.sequence,
  rewardPool: field.name,
  method: field.name,
  parameters: z.record(field.parameterName, field.parameterValue),
  feeBasisPoints: z.record(field.name, field.basisPoints),
  basis: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('block'),
      hash: field.hexBlockHash,
      height: field.height,
      paid: field.finderPaid,
    }),
    z.strictObject({ kind: z.literal('epoch'), epoch: field.epoch }),
  ]),
  work: z.array(used),
  totalMsat: field.amountMsat,
  lines: z.array(line),
  feeMsat: field.amountMsat,
  remainderMsat: field.amountMsat,
  corrects: field.hexDigest.nullable(),
  previous: field.hexDigest.nullable(),
  accountsRoot: z.null(),
  signature: z.null(),
})

/** The canonical bytes; fields: docs/statements.md. Vectors: test/vectors/statement.json. */
export function encodeReward(reward: RewardStatement): Uint8Array {
  return canonicalBytes({
    kind: 'reward',
    version: reward.version,
    network: reward.network,
    number: reward.number.toString(),
    rewardPool: reward.rewardPool,
    method: reward.method,
    parameters: reward.parameters,
    feeBasisPoints: reward.feeBasisPoints,
    basis: plainBasis(reward.basis),
    work: reward.work.map(({ epoch, hash, numerator, denominator }) => ({
      epoch: epoch.toString(),
      hash,
      numerator: numerator.toString(),
      denominator: denominator.toString(),
    })),
    totalMsat: reward.total.toString(),
    lines: reward.lines.map(({ account, payee, scheme, amount }) => ({
      account: account.toString(),
      payee,
      scheme,
      amountMsat: amount.toString(),
    })),
    feeMsat: reward.fee.toString(),
    remainderMsat: reward.remainder.toString(),
    corrects: reward.corrects,
    previous: reward.previous,
    accountsRoot: reward.accountsRoot,
    signature: reward.signature,
  })
}

function plainBasis(basis: RewardBasis): Plain {
  switch (basis.kind) {
    case 'block':
      return {
        ...{ kind: 'block', hash: basis.hash, height: basis.height },
        paid: field.plainPaid(basis.paid),
      }
    case 'epoch':
      return { kind: 'epoch', epoch: basis.epoch.toString() }
    default:
      return unreachable(basis)
  }
}

/**
 * Reads a reward statement as strictly as `decodeWork` reads work.
 * Whether its sums are right is for `checkReward` to say.
 */
export function decodeReward(bytes: Uint8Array): RewardReading {
  const parsed = statement.safeParse(parseBytes(bytes))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return { kind: 'malformed', reason: `${issue?.path.join('.')}: ${issue?.message}` }
  }
  const { kind: _, totalMsat, feeMsat, remainderMsat, lines, basis, ...rest } = parsed.data
  const read: RewardStatement = {
    ...rest,
    basis: basis.kind === 'block' ? { ...basis, paid: basis.paid ?? null } : basis,
    total: totalMsat,
    fee: feeMsat,
    remainder: remainderMsat,
    lines: lines.map(({ amountMsat, ...whose }) => ({ ...whose, amount: amountMsat })),
  }
  if (equalBytes(encodeReward(read), bytes)) return { kind: 'statement', statement: read }
  return { kind: 'malformed', reason: 'not in canonical form' }
}
