import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { isSecretKey } from './approval/index.ts'
import { bmmComplaints, bmmSchema } from './bmm/index.ts'
import { bridgesComplaints, bridgesSchema } from './bridges/index.ts'
import { parseAddress } from './lib/bitcoin/address.ts'
import { fromHex } from './lib/bytes.ts'
import { sats } from './lib/money.ts'
import {
  l1RailSchema,
  lightningRailSchema,
  RAIL_NAMES,
  railContradictions,
  railDestinations,
  thunderRailSchema,
} from './payouts/index.ts'
import {
  coinbaseLimitsSchema,
  difficultiesSchema,
  portSchema,
  stratumPortSchema,
  stratumSchema,
} from './pool/index.ts'
import { rulesSchema } from './treasury/index.ts'

/** Something wrong in a configuration, with the place where it stands, for example `schemes[1].ports`. */
export type ConfigError = { readonly path: string; readonly message: string }
export type ConfigOutcome =
  | { readonly kind: 'config'; readonly config: Config }
  | { readonly kind: 'errors'; readonly errors: readonly ConfigError[] }

/** Where secrets come from: the environment, and files that only the pool's user may read. */
export type SecretSources = {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly readFile: (path: string) => string
}

const SCHEMES_MAX = 50
const PROXIES_MAX = 20
const WHOLE_BASIS_POINTS = 10_000
const name = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'lower-case letters, digits and dashes')
const satoshis = z
  .string()
  .regex(/^\d{1,16}$/, 'whole satoshis as a decimal string')
  .transform(text => BigInt(text))
  .refine(amount => amount <= 2_100_000_000_000_000n, 'more than all bitcoin')
  .transform(sats)
const secretKey = z
  .string()
  .regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits')
  .transform(fromHex)
  .refine(isSecretKey, 'not a key: a number below the order of secp256k1')
/** A secret is never in the file itself: it names an environment variable or a file. */
function secretSchema(sources: SecretSources) {
  return z
    .union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })])
    .transform((place, context) => {
      const value = 'env' in place ? sources.environment[place.env] : tryRead(sources, place.file)
      if (value) return value.trim()
      const where = 'env' in place ? `environment variable ${place.env}` : `file ${place.file}`
      context.addIssue({ code: 'custom', message: `${where} is empty or missing` })
      return z.NEVER
    })
}

/** Either a folder for a server of our own, or both URLs of an operator's. */
function databaseSchema(secret: ReturnType<typeof secretSchema>) {
  return z
    .strictObject({
      embedded: z.string().min(1).optional(),
      url: secret.optional(),
      ownerUrl: secret.optional(),
    })
    .transform(({ embedded, url, ownerUrl }, context) => {
      if (embedded !== undefined && url === undefined && ownerUrl === undefined)
        return { kind: 'embedded' as const, dir: embedded }
      if (embedded === undefined && url !== undefined && ownerUrl !== undefined)
        return { kind: 'server' as const, url, ownerUrl }
      context.addIssue({ code: 'custom', message: 'either embedded, or both url and ownerUrl' })
      return z.NEVER
    })
}

function tryRead(sources: SecretSources, path: string): string | undefined {
  try {
    return sources.readFile(path)
  } catch {
    return undefined
  }
}

/** A file that another part of the system wants as it is. */
function readable(sources: SecretSources) {
  return z.string().transform((path, context) => {
    const text = tryRead(sources, path)
    if (text) return text
    context.addIssue({ code: 'custom', message: `file ${path} is empty or missing` })
    return z.NEVER
  })
}

function configSchema(sources: SecretSources) {
  const secret = secretSchema(sources)
  const node = z.strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .refine(url => !url.includes('@'), 'user and password have fields of their own'),
    user: z.string().min(1),
    password: secret,
  })
  const scheme = z.strictObject({
    name,
    ports: z.array(stratumPortSchema).min(1).max(20),
    rewardPool: name,
    interval: z.union([
      z
        .strictObject({ blocks: z.int().min(1).max(100_000) })
        .transform(({ blocks }) => ({ kind: 'blocks' as const, blocks })),
      z
        .strictObject({ minutes: z.int().min(1).max(525_600) })
        .transform(({ minutes }) => ({ kind: 'minutes' as const, minutes })),
    ]),
    rails: z.array(z.enum(RAIL_NAMES)).min(1).max(RAIL_NAMES.length),
    minimumSats: satoshis.refine(amount => amount >= 1000n, 'at least 1000 satoshis'),
    feeBasisPoints: z.int().min(0).max(WHOLE_BASIS_POINTS),
    feePaidBy: z.enum(['pool', 'payees']).default('pool'),
    difficulty: difficultiesSchema,
    coinbase: coinbaseLimitsSchema,
  })
  const rewardPool = z.discriminatedUnion('method', [
    z.strictObject({
      method: z.literal('solo'),
      coinbase: z.enum(['pool', 'finder']).default('pool'),
    }),
    z.strictObject({ method: z.literal('pps') }),
    z.strictObject({ method: z.literal('pplns'), window: z.int().min(1).max(100) }),
  ])
  return z.strictObject({
    network: z.enum(['mainnet', 'testnet4', 'signet', 'regtest']),
    pool: z.strictObject({
      name: z.string().min(1).max(60),
      tag: z.string().regex(/^[\x20-\x7e]{1,20}$/, '1 to 20 printable ASCII characters'),
      coinbaseAddress: z.string(),
      epochMinutes: z.number().min(0.01).max(1440),
      orphanDepth: z.int().min(1).max(100),
      shareRetentionBlocks: z.int().min(144),
    }),
    node: z.strictObject({
      ...node.shape,
      zmqHashBlock: z.string().startsWith('tcp://').optional(),
      spares: z.array(node).max(10).default([]),
    }),
    bmm: bmmSchema(secret).optional(),
    database: databaseSchema(secret),
    redis: z.strictObject({ url: secret }).optional(),
    rewardPools: z.record(name, rewardPool),
    schemes: z.array(scheme).min(1).max(SCHEMES_MAX),
    rails: z.strictObject({
      l1: l1RailSchema,
      thunder: thunderRailSchema(secret).optional(),
      lightning: lightningRailSchema.optional(),
    }),
    bridges: bridgesSchema.optional(),
    treasury: z.strictObject({
      policy: rulesSchema,
      poolKey: secret.pipe(secretKey).optional(),
      approvalExpiryHours: z.int().min(1).max(720),
    }),
    signer: z
      .strictObject({ host: z.string().min(1), port: portSchema, keyFile: z.string().min(1) })
      .optional(),
    stratum: stratumSchema(readable(sources)),
    api: z.strictObject({
      host: z.string(),
      port: portSchema,
      trustedProxies: z
        .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
        .max(PROXIES_MAX)
        .default([]),
    }),
  })
}

/** The whole configuration, checked; each room is handed its own slice of it. */
export type Config = z.infer<ReturnType<typeof configSchema>>

/**
 * Reads a configuration. Everything wrong with it is listed at once, each with its path; a field
 * that nobody knows is an error, so that a misspelt one is never silently a default.
 */
export function parseConfig(text: string, sources: SecretSources): ConfigOutcome {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return { kind: 'errors', errors: [{ path: '(file)', message: `not JSON: ${String(error)}` }] }
  }
  const parsed = configSchema(sources).safeParse(json)
  if (!parsed.success) {
    const errors = parsed.error.issues.map(issue => ({
      path: pathText(issue.path),
      message: issue.message,
    }))
    return { kind: 'errors', errors }
  }
  const errors = contradictions(parsed.data)
  if (errors.length > 0) return { kind: 'errors', errors }
  return { kind: 'config', config: parsed.data }
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>(
    (whole, part) => (typeof part === 'number' ? `${whole}[${part}]` : `${whole}.${String(part)}`),
    '',
  )
  return text.replace(/^\./, '') || '(top)'
}

/** What each field alone allows, but together cannot be meant. */
function contradictions(config: Config): ConfigError[] {
  const errors: ConfigError[] = []
  const complain = (path: string, message: string) => errors.push({ path, message })
  const ports = new Set([config.api.port])
  const names = new Set<string>()
  config.schemes.forEach((scheme, index) => {
    const at = `schemes[${index}]`
    if (names.has(scheme.name)) complain(`${at}.name`, `${scheme.name} is another scheme's name`)
    names.add(scheme.name)
    if (scheme.name === 'unknown' || scheme.rewardPool === 'unknown')
      complain(at, 'unknown is what statements call a block whose finder nobody knows')
    if (!Object.hasOwn(config.rewardPools, scheme.rewardPool))
      complain(`${at}.rewardPool`, `no reward pool is called ${scheme.rewardPool}`)
    const pool = config.rewardPools[scheme.rewardPool]
    if (pool?.method === 'solo' && pool.coinbase === 'finder') {
      if (scheme.rails.join() !== 'l1')
        complain(
          `${at}.rails`,
          'a coinbase pays its finder on the main chain: only l1 goes with it',
        )
      if (scheme.feeBasisPoints === WHOLE_BASIS_POINTS)
        complain(`${at}.feeBasisPoints`, 'nothing would be left to the finder in the coinbase')
    }
    scheme.ports.forEach(({ port: number, tls }, portIndex) => {
      const atPort = `${at}.ports[${portIndex}]`
      if (ports.has(number)) complain(atPort, `${number} is taken already`)
      ports.add(number)
      if (tls && config.stratum.tls === undefined) complain(atPort, 'stratum.tls is missing')
    })
  })
  if (parseAddress(config.pool.coinbaseAddress, config.network).kind !== 'address')
    complain('pool.coinbaseAddress', `not a Bitcoin address of ${config.network}`)
  const { policy, poolKey } = config.treasury
  if (policy.auto !== null && poolKey === undefined)
    complain(
      'treasury.poolKey',
      'the auto band is approved by a key of the pool, and there is none',
    )
  policy.allowList?.forEach((destination, index) => {
    const reads = [...railDestinations(config.network)].map(([, read]) => read(destination))
    if (reads.some(read => read.kind === 'payable' && read.canonical === destination)) return
    complain(
      `treasury.policy.allowList[${index}]`,
      `not an address of ${config.network}, a bare one of Thunder or one of Lightning, as we write it`,
    )
  })
  for (const { path, message } of railContradictions(config)) complain(path, message)
  const { bridges, bmm, rails } = config
  const has = {
    network: config.network,
    thunder: rails.thunder !== undefined,
    lightning: rails.lightning !== undefined,
    bmm: bmm !== undefined,
    cold: rails.l1.cold !== null,
  }
  return [
    ...errors,
    ...(bmm ? bmmComplaints(bmm, has.thunder) : []),
    ...(bridges ? bridgesComplaints(bridges, has) : []),
  ]
}

/** Reads and checks a file; secrets come from the process's environment and from files. */
export function loadConfig(path: string): ConfigOutcome {
  const readFile = (file: string) => readFileSync(file, 'utf8')
  return parseConfig(readFile(path), { environment: process.env, readFile })
}
