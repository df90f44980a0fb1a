import { z } from 'zod'
import { MAX_MONEY_SATS, sats } from '../../../lib/money.ts'
import { parseThunderAddress, type ThunderAddress } from '../../../lib/thunder/address.ts'

/** More addresses help nobody: a few keep what is asked about each of them small. */
const ADDRESSES_MAX = 100

const satoshis = z
  .string()
  .regex(/^\d{1,16}$/, 'whole satoshis as a decimal string')
  .transform(BigInt)
  .refine(amount => amount <= MAX_MONEY_SATS, 'more than all bitcoin')
  .transform(sats)
const nodeUrl = z
  .url({ protocol: /^https?$/ })
  .refine(url => !url.includes('@'), 'it takes no user and password')
const bareAddress = z.string().transform((text, context): ThunderAddress => {
  const parsed = parseThunderAddress(text)
  if (parsed.kind === 'thunder' && parsed.address === text) return parsed.address
  const message = parsed.kind === 'refused' ? `it ${parsed.reason}` : 'not a bare Thunder address'
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

/** The rail on Thunder, as a configuration says it. @param secret reads one from its place */
export function thunderRailSchema<Secret extends z.ZodType<string>>(secret: Secret) {
  return z.strictObject({
    /** Where the node serves its calls; the same twice where it has one address. */
    publicUrl: nodeUrl,
    privateUrl: nodeUrl,
    authorization: secret.optional(),
    /** Our own there, bare; the first receives deposits. */
    addresses: z.array(bareAddress).min(1).max(ADDRESSES_MAX),
    signer: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('host') }),
      z.strictObject({ kind: z.literal('node'), floatCapSats: satoshis.nullable() }),
    ]),
    finalityDepth: z.int().min(1).max(100),
    /** Of one transaction, whatever its size. */
    feeSats: satoshis,
  })
}
