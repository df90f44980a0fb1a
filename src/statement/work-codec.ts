import { z } from 'zod'
import { equalBytes } from '../lib/bytes.ts'
import { canonicalBytes, type Plain, parseBytes } from './canonical.ts'
import * as field from './fields.ts'
import {
  type BlockFound,
  REJECT_REASONS,
  type WorkLine,
  type WorkStatement,
} from './work-statement.ts'

/** What bytes that claim to be a work statement turn out to be. */
export type WorkReading =
  | { readonly kind: 'statement'; readonly statement: WorkStatement }
  | { readonly kind: 'malformed'; readonly reason: string }

const line = z.strictObject({
  account: field.account,
  payee: field.payee,
  scheme: field.name,
  rewardPool: field.name,
  shares: field.count,
  work: field.work,
  rejects: z.partialRecord(z.enum(REJECT_REASONS), field.positiveCount),
})

const block = z.strictObject({
  hash: field.hexBlockHash,
  height: field.height,
  rewardPool: field.name,
  finder: field.account.nullable(),
  valueSats: field.amountSats,
  paid: field.finderPaid,
})

const statement = z.strictObject({
  kind: z.literal('work'),
  version: z.literal(1),
  network: field.name,
  epoch: field.epoch,
  openedAtMs: field.timeMs,
  closedAtMs: field.timeMs,
  closeReason: z.enum(['time', 'block', 'target', 'subsidy']),
  blockTarget: field.hexTarget,
  networkWork: field.work,
  subsidySats: field.amountSats,
  lines: z.array(line),
  pools: z.array(z.strictObject({ rewardPool: field.name, shares: field.count, work: field.work })),
  blocks: z.array(block),
  previous: field.hexDigest.nullable(),
  sharesRoot: z.null(),
  signature: z.null(),
})

/** The canonical bytes; fields: docs/statements.md. Vectors: test/vectors/statement.json. */
export function encodeWork(work: WorkStatement): Uint8Array {
  return canonicalBytes({
    kind: 'work',
    version: work.version,
    network: work.network,
    epoch: work.epoch.toString(),
    openedAtMs: work.openedAt,
    closedAtMs: work.closedAt,
    closeReason: work.closeReason,
    blockTarget: work.blockTarget,
    networkWork: work.networkWork.toString(),
    subsidySats: work.subsidy.toString(),
    lines: work.lines.map(plainLine),
    pools: work.pools.map(pool => ({
      rewardPool: pool.rewardPool,
      shares: pool.shares.toString(),
      work: pool.work.toString(),
    })),
    blocks: work.blocks.map(plainBlock),
    previous: work.previous,
    sharesRoot: work.sharesRoot,
    signature: work.signature,
  })
}

function plainLine(workLine: WorkLine): Plain {
  const { account, payee, scheme, rewardPool, shares, work } = workLine
  const rejects = Object.fromEntries(
    Object.entries(workLine.rejects).map(([reason, times]) => [reason, times.toString()]),
  )
  return {
    account: account.toString(),
    payee,
    scheme,
    rewardPool,
    shares: shares.toString(),
    work: work.toString(),
    rejects,
  }
}

function plainBlock(found: BlockFound): Plain {
  return {
    hash: found.hash,
    height: found.height,
    rewardPool: found.rewardPool,
    finder: found.finder?.toString() ?? null,
    valueSats: found.value.toString(),
    paid: field.plainPaid(found.paid),
  }
}

/**
 * Reads a work statement strictly: an unknown or missing field, another order of keys, a space or
 * another spelling of a number is malformed, so that a statement has one hash and only one.
 * Whether its sums are right is for `checkWork` to say.
 */
export function decodeWork(bytes: Uint8Array): WorkReading {
  const parsed = statement.safeParse(parseBytes(bytes))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return { kind: 'malformed', reason: `${issue?.path.join('.')}: ${issue?.message}` }
  }
  const { kind: _, openedAtMs, closedAtMs, subsidySats, blocks, ...rest } = parsed.data
  const read: WorkStatement = {
    ...rest,
    openedAt: openedAtMs,
    closedAt: closedAtMs,
    subsidy: subsidySats,
    blocks: blocks.map(({ valueSats, paid = null, ...found }) => {
      return { ...found, value: valueSats, paid }
    }),
  }
  if (equalBytes(encodeWork(read), bytes)) return { kind: 'statement', statement: read }
  return { kind: 'malformed', reason: 'not in canonical form' }
}
