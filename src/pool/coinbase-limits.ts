import { z } from 'zod'

/** Small miners build the whole coinbase in a buffer of 255 bytes and cut off what is longer. */
const ALARM_BYTES = 250
/** Rental markets refuse longer ones. */
const BYTES_MAX = 500
const bytes = z.int().min(ALARM_BYTES).max(16_000)

/** How long coinbases of a port may be, as the configuration says it. */
export const coinbaseLimitsSchema = z
  .strictObject({
    alarmBytes: bytes.default(ALARM_BYTES),
    maximumBytes: bytes.default(BYTES_MAX),
  })
  .prefault({})
  .refine(
    ({ alarmBytes, maximumBytes }) => alarmBytes <= maximumBytes,
    'the alarm is above the maximum',
  )

export type CoinbaseLimits = z.infer<typeof coinbaseLimitsSchema>

/** One job serves all ports, so the strictest of each limit counts (docs/decisions/0012). */
export function strictest(limits: readonly CoinbaseLimits[]): CoinbaseLimits {
  return {
    alarmBytes: Math.min(...limits.map(({ alarmBytes }) => alarmBytes)),
    maximumBytes: Math.min(...limits.map(({ maximumBytes }) => maximumBytes)),
  }
}
