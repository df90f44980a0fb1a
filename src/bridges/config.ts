import { z } from 'zod'
import { MAX_MONEY_SATS, sats } from '../lib/money.ts'

const satoshis = z
  .string()
  .regex(/^\d{1,16}$/, 'whole satoshis as a decimal string')
  .transform(BigInt)
  .refine(amount => amount <= MAX_MONEY_SATS, 'more than all bitcoin')
  .transform(sats)

/** How a pool moves its own float between rails, as its configuration says it. */
export const bridgesSchema = z.strictObject({
  /** Deposits to Thunder. */
  thunder: z.strictObject({
    /** An enforcer, which alone knows the coin of the treasury: where it serves its calls. */
    enforcerUrl: z
      .url({ protocol: /^https?$/ })
      .refine(url => !url.includes('@'), 'it takes no user and password'),
    /** When the float there is filled by itself, and from which wallet; null is never. */
    refill: z
      .strictObject({
        from: z.enum(['hot', 'cold']),
        ...{ lowSats: satoshis, targetSats: satoshis, capSats: satoshis },
      })
      .refine(
        ({ lowSats, targetSats, capSats }) => lowSats < targetSats && targetSats <= capSats,
        'lowSats, targetSats and capSats are not in this order',
      )
      .nullable(),
  }),
})

export type BridgesConfig = z.infer<typeof bridgesSchema>

/**
 * What a bridge to Thunder needs besides, by the place where it is missing.
 *
 * @param has what else the configuration says
 */
export function bridgesComplaints(
  { thunder: { refill } }: BridgesConfig,
  has: { readonly rail: boolean; readonly bmm: boolean; readonly cold: boolean },
): readonly { readonly path: string; readonly message: string }[] {
  const complaints = []
  if (!has.rail)
    complaints.push({ path: 'bridges.thunder', message: 'there is no rails.thunder to deposit to' })
  if (!has.bmm)
    complaints.push({ path: 'bridges.thunder', message: 'bmm.drivechainOpcode is not said' })
  if (refill?.from === 'cold' && !has.cold)
    complaints.push({ path: 'bridges.thunder.refill.from', message: 'there is no cold wallet' })
  return complaints
}
