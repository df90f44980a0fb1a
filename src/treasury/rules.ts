import { z } from 'zod'
import {
  amountSats,
  canonicalJson,
  type Operator,
  type OperatorKey,
  type SpendPolicy,
  taggedHash,
} from '../approval/index.ts'
import { toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest } from '../lib/ids.ts'

const BANDS_MAX = 20
const APPROVALS_MAX = 50
const ALLOWED_MAX = 1000
const COOL_OFF_HOURS_MAX = 720

/**
 * The rules as an operator writes them, in a configuration or a file to try. Whatever bounds
 * nothing is written out as null, so that no bound is forgotten.
 */
export const rulesSchema = z
  .strictObject({
    version: z.int().min(1).max(2_000_000_000),
    bands: z
      .array(
        z.strictObject({
          upToSats: amountSats.nullable(),
          approvals: z.int().min(1).max(APPROVALS_MAX),
        }),
      )
      .min(1)
      .max(BANDS_MAX),
    auto: z.strictObject({ perBatchSats: amountSats, perDaySats: amountSats }).nullable(),
    limits: z.strictObject({
      perBatchSats: amountSats.nullable(),
      perDaySats: amountSats.nullable(),
      perDestinationPerDaySats: amountSats.nullable(),
    }),
    allowList: z.array(z.string().min(1).max(320)).max(ALLOWED_MAX).nullable(),
    coolOffHours: z.int().min(0).max(COOL_OFF_HOURS_MAX).default(48),
  })
  .superRefine(({ bands, auto }, context) => {
    const complain = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message })
    bands.forEach(({ upToSats }, index) => {
      const isLast = index === bands.length - 1
      const at = ['bands', index, 'upToSats']
      if (isLast !== (upToSats === null)) complain(at, 'the last band, and no other, has no bound')
      const before = bands[index - 1]?.upToSats ?? null
      if (upToSats !== null && before !== null && upToSats <= before) complain(at, 'bands ascend')
      if ((bands[index - 1]?.approvals ?? 0) > (bands[index]?.approvals ?? 0))
        complain(['bands', index, 'approvals'], 'more money asks for no fewer approvals')
    })
    if (auto && auto.perBatchSats > auto.perDaySats)
      complain(['auto', 'perBatchSats'], 'more than a day may have')
  })

/** The rules as they were written. */
export type RulesText = z.infer<typeof rulesSchema>

/** The rules without the people: all of a policy that a configuration says. */
export type SpendRules = Omit<SpendPolicy, 'operators'> & {
  /** How long a changed destination is not paid yet. */
  readonly coolOffHours: number
}

/** @param poolKey whose approval is enough in the auto band; without one there is no such band */
export function spendRules(text: RulesText, poolKey: OperatorKey | null): SpendRules {
  const { version, bands, auto, limits, allowList, coolOffHours } = text
  return {
    version,
    bands: bands.map(({ upToSats, approvals }) => ({ upTo: upToSats, approvals })),
    auto:
      auto === null || poolKey === null
        ? null
        : { poolKey, perBatch: auto.perBatchSats, perDay: auto.perDaySats },
    limits: {
      perBatch: limits.perBatchSats,
      perDay: limits.perDaySats,
      perDestinationPerDay: limits.perDestinationPerDaySats,
    },
    allowList: allowList === null ? null : new Set(allowList),
    coolOffHours,
  }
}

/** The rules with the people of now. */
export function policyFor(
  { coolOffHours: _, ...rules }: SpendRules,
  operators: readonly Operator[],
): SpendPolicy {
  return { ...rules, operators }
}

/** The canonical bytes that stand for a version of the rules: equal rules, equal bytes. */
export function encodeRules({ allowList, ...rules }: SpendRules): Uint8Array {
  const allowed = allowList === null ? null : [...allowList].sort()
  return utf8(canonicalJson({ ...rules, allowList: allowed }))
}

/** What a record of the rules is known by. */
export function rulesHash(bytes: Uint8Array): Digest {
  return digest(toHex(taggedHash('sidepool/policy/1', bytes)))
}
