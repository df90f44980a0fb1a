import { z } from 'zod'
import { MAX_MONEY_SATS, sats } from '../../../lib/money.ts'
import { multisigSchema } from './multisig.ts'

const satoshis = z
  .string()
  .regex(/^\d{1,16}$/, 'whole satoshis as a decimal string')
  .transform(text => BigInt(text))
  .refine(amount => amount <= MAX_MONEY_SATS, 'more than all bitcoin')
  .transform(sats)
const walletName = z.string().min(1).max(100)

/** The rail on the main chain, as a configuration says it. */
export const l1RailSchema = z.strictObject({
  hot: z.strictObject({
    wallet: walletName,
    multisig: multisigSchema.optional(),
    signer: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('node'), floatCapSats: satoshis.nullable() }),
      z.strictObject({ kind: z.literal('host') }),
      z.strictObject({ kind: z.literal('cosigners') }),
    ]),
  }),
  cold: z
    .strictObject({
      wallet: walletName,
      multisig: multisigSchema.optional(),
      ...{ lowSats: satoshis, targetSats: satoshis },
    })
    .nullable(),
  coinbaseWallet: z.enum(['hot', 'cold']),
  consolidate: z
    .strictObject({
      coinsOver: z.int().min(2).max(10_000),
      feeRateMaxSatPerKvb: satoshis,
    })
    .nullable(),
  feeFloorSatPerKvb: satoshis,
  feeCeilingSatPerKvb: satoshis,
  confirmationTarget: z.int().min(1).max(1008),
  finalityDepth: z.int().min(1).max(100),
  bumpAfterBlocks: z.int().min(1).max(1008),
})
