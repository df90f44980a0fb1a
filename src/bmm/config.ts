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
    /** Our Thunder node's blocks, which ours accept for nothing. */
    thunder: z
      .strictObject({
        /** Where that node is; left out where the rail on Thunder names it. */
        node: z
          .strictObject({
            publicUrl: url,
            privateUrl: url,
            authorization: secret.optional(),
          })
          .optional(),
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

/**
 * What is wrong with where our Thunder node is named, by its place: it is named once.
 *
 * @param hasRail whether there is a rail on Thunder, which names its node
 */
export function bmmComplaints(
  { thunder }: BmmConfig,
  hasRail: boolean,
): readonly { readonly path: string; readonly message: string }[] {
  const path = 'bmm.thunder.node'
  if (thunder?.node && hasRail) return [{ path, message: 'rails.thunder names the node already' }]
  if (thunder && !thunder.node && !hasRail)
    return [{ path, message: 'it is missing, and there is no rails.thunder that names it' }]
  return []
}

export type BmmConfig = z.infer<ReturnType<typeof bmmSchema>>
