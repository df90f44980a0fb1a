import { z } from 'zod'
import { accountId, blockHash, digest, epochId, unixMs } from '../lib/ids.ts'
import { MAX_MONEY_SATS, millisats, sats } from '../lib/money.ts'
import type { Plain } from './canonical.ts'
import type { FinderPaid } from './work-statement.ts'

/** Heights stay below this in Bitcoin's own 31 bits. */
const HEIGHT_MAX = 2 ** 31 - 1
const INT8_MAX = 2n ** 63n - 1n
/** `numeric(39, 0)`: the sum of any epoch's work. */
const WORK_MAX = 10n ** 39n - 1n

/** A decimal of our one spelling: no sign, no leading zero. */
function decimal(max: bigint) {
  return z
    .string()
    .regex(/^(0|[1-9]\d{0,38})$/, 'a whole decimal number')
    .transform(BigInt)
    .refine(value => value <= max, 'too large')
}

/** An id of a table of ours, from 1. */
const positiveId = decimal(INT8_MAX).refine(id => id > 0n, 'from 1')
const hex32 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits')

export const count = decimal(INT8_MAX)
export const positiveCount = count.refine(value => value > 0n, 'from 1')
export const work = decimal(WORK_MAX)
export const amountSats = decimal(MAX_MONEY_SATS).transform(sats)
export const amountMsat = decimal(MAX_MONEY_SATS * 1000n).transform(millisats)
export const account = positiveId.transform(accountId)
export const epoch = positiveId.transform(epochId)
export const sequence = positiveId
export const timeMs = z.int().min(0).transform(unixMs)
export const height = z.int().min(0).max(HEIGHT_MAX)
export const basisPoints = z.int().min(0).max(10_000)
export const hexDigest = hex32.transform(digest)
export const hexBlockHash = hex32.transform(blockHash)
export const hexTarget = hex32
/** Names of networks, schemes, reward pools and methods. */
export const name = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'lower-case letters, digits, dashes')
/** Parameters of a reward method: names as in code, values as decimal text. */
export const parameterName = z.string().regex(/^[a-z][A-Za-z0-9]{0,39}$/, 'a name')
export const parameterValue = z.string().regex(/^[0-9.]{1,60}$/, 'decimal text')
/** A payout destination in canonical form. All kinds of it are plain ASCII. */
export const payee = z.string().regex(/^[\x21-\x7e]{1,320}$/, 'printable ASCII without spaces')
/** What a coinbase paid its finder; a key that is left out where it paid the pool alone. */
export const finderPaid = z
  .strictObject({ payee, amountSats, feeBasisPoints: basisPoints })
  .transform(({ amountSats: amount, ...rest }): FinderPaid => ({ ...rest, amount }))
  .optional()

/** The inverse of {@link finderPaid}. */
export function plainPaid(paid: FinderPaid | null): Plain | undefined {
  if (paid === null) return undefined
  const { payee: whom, amount, feeBasisPoints } = paid
  return { payee: whom, amountSats: amount.toString(), feeBasisPoints }
}
