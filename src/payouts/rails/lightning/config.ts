import { z } from 'zod'
import { sats } from '../../../lib/money.ts'

/** More than a tenth of what is paid is no fee. */
const PPM_MAX = 100_000
const BASE_SATS_MAX = 10_000n

/** The rail over Lightning, as a configuration says it. */
export const lightningRailSchema = z.strictObject({
  lnd: z.strictObject({
    /** `host:port` of its gRPC. */
    socket: z.string().regex(/^[^\s/]{1,255}:\d{1,5}$/, 'host:port'),
    certFile: z.string().min(1),
    /** One that can only look: docs/lightning.md says how to bake it. */
    macaroonFile: z.string().min(1),
  }),
  /** What one payment may cost at most: so much, and so many millionths of its amount. */
  feeMax: z.strictObject({
    baseSats: z
      .string()
      .regex(/^\d{1,5}$/, 'whole satoshis as a decimal string')
      .transform(BigInt)
      .refine(amount => amount <= BASE_SATS_MAX, `more than ${BASE_SATS_MAX}`)
      .transform(sats),
    ppm: z.int().min(0).max(PPM_MAX),
  }),
})
