import { z } from 'zod'
import { type IpNetwork, parseNetwork } from '../../lib/ip-address.ts'

const PROXIES_MAX = 20
const EXEMPT_MAX = 1000
/** A farm behind one address has hundreds of rigs; more than this is somebody's tool. */
const CONNECTIONS_PER_ADDRESS = 2000

/** Difficulties are powers of two, so that what is announced is exactly what is enforced. */
const difficulty = z
  .number()
  .positive()
  .refine(value => Number.isInteger(Math.log2(value)), 'a power of two, for example 1024 or 0.5')
  .transform(value => Math.log2(value))

/** What a configuration says of shares on a port; exponents of two once it is read. */
export const difficultiesSchema = z
  .strictObject({
    start: difficulty,
    minimum: difficulty,
    maximum: difficulty,
    secondsPerShare: z.number().min(0.1).max(600),
  })
  .refine(({ minimum, start, maximum }) => minimum <= start && start <= maximum, {
    message: 'minimum, start and maximum are not in this order',
    // Of numbers that are wrong by themselves the order says nothing.
    when: ({ issues }) => issues.length === 0,
  })

export const portSchema = z.int().min(1).max(65535)

/** A number alone, or a port with what is its own. */
export const stratumPortSchema = z
  .union([
    portSchema,
    z.strictObject({
      port: portSchema,
      tls: z.boolean().default(false),
      difficulty: difficultiesSchema.optional(),
    }),
  ])
  .transform(given => (typeof given === 'number' ? { port: given, tls: false } : given))

const network = z
  .string()
  .max(50)
  .transform(parseNetwork)
  .pipe(z.custom<IpNetwork>(read => read !== null, 'no address and no network'))

/** @param file a path whose text becomes the value */
export function stratumSchema(file: z.ZodType<string>) {
  return z.strictObject({
    host: z.string(),
    processes: z.int().min(1).max(256),
    tls: z
      .strictObject({ certificateFile: file, keyFile: file })
      .transform(({ certificateFile, keyFile }) => ({ certificate: certificateFile, key: keyFile }))
      .optional(),
    trustedProxies: z.array(network).max(PROXIES_MAX).default([]),
    connectionsPerAddress: z.int().min(1).nullable().default(CONNECTIONS_PER_ADDRESS),
    exemptAddresses: z.array(network).max(EXEMPT_MAX).default([]),
  })
}
