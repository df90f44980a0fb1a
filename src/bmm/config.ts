import { z } from 'zod'
import { MAX_MONEY_SATS, sats } from '../lib/money.ts'

const url = z
  .url({ protocol: /^https?$/ })
  .refine(text => !text.includes('@'), 'it takes no user and password')

/**
 * How a pool takes part in sidechains, as its configuration says it.
 *
 * @param secret reads what must not stand in the file
 */
export const bmmSchema = (secret: z.ZodType<string>) =>
  z.strictObject({
    /** The enforcer's template server; without one, templates come from the node. */
    templateUrl: url.optional(),
    drivechainOpcode: z.enum(['nop5', 'nop8']),
    /** Our Thunder node, whose blocks ours accept for nothing. */
    thunder: z
      .strictObject({
        publicUrl: url,
        privateUrl: url,
        authorization: secret.optional(),
        /** From this fee on a stranger's bid for the slot is taken instead. */
        yieldsFromSats: z
          .string()
          .regex(/^\d{1,16}$/, 'whole satoshis as a decimal string')
          .transform(text => BigInt(text))
          .refine(amount => amount <= MAX_MONEY_SATS, 'more than all bitcoin')
          .transform(sats)
          .nullable(),
      })
      .optional(),
  })

export type BmmConfig = z.infer<ReturnType<typeof bmmSchema>>
