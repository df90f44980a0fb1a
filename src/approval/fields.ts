import { z } from 'zod'
import { MAX_MONEY_SATS, sats } from '../lib/money.ts'
import { type OperatorKey, parseOperatorKey } from './act.ts'

/** Satoshis as the one text that they have: a decimal number without a leading zero. */
export const amountSats = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})$/, 'whole satoshis as a decimal string')
  .transform(BigInt)
  .refine(amount => amount <= MAX_MONEY_SATS, 'more than all bitcoin')
  .transform(sats)

/** A person's public key. */
export const operatorKey = z.string().transform((text, context): OperatorKey => {
  const parsed = parseOperatorKey(text)
  if (parsed !== null) return parsed
  context.addIssue({ code: 'custom', message: 'no public key of BIP 340' })
  return z.NEVER
})
