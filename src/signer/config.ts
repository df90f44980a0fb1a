import { z } from 'zod'
import { operatorKey, type SpendPolicy } from '../approval/index.ts'
import { DRIVECHAIN_OPCODES } from '../lib/bitcoin/drivechain.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import { type IpAddress, parseIp } from '../lib/ip-address.ts'
import { MAX_MONEY_SATS, sats } from '../lib/money.ts'
import { parseThunderAddress, THUNDER_SLOT, type ThunderAddress } from '../lib/thunder/address.ts'
import { type ChannelRules, channelsSchema, readChannels } from './channel-rules.ts'
import { type Descriptor, readDescriptor } from './descriptor.ts'
import type { DepositRules } from './outputs.ts'

const OPERATORS_MAX = 50
const KEYS_MAX = 10
const BANDS_MAX = 10
const ALLOWED_MAX = 10_000
/** More addresses help nobody: a few keep what is asked about each of them small. */
const THUNDER_ADDRESSES_MAX = 100
const DEPOSIT_ADDRESSES_MAX = 100

const alias = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'lower-case letters, digits and dashes')
const path = z.string().min(1)
const satoshis = z
  .string()
  .regex(/^\d{1,16}$/, 'whole satoshis as a decimal string')
  .transform(BigInt)
  .refine(amount => amount <= MAX_MONEY_SATS, 'more than all bitcoin')
  .transform(sats)
const instant = z.iso.datetime().transform((text): UnixMs => unixMs(Date.parse(text)))
const wallet = z.strictObject({ descriptor: z.string().max(5000), seedFile: path })

/** Where deposits may go. */
const deposits = z.strictObject({
  addresses: z
    .array(
      z.string().transform((text, context): ThunderAddress => {
        const parsed = parseThunderAddress(text)
        if (parsed.kind === 'thunder' && parsed.address === text) return parsed.address
        context.addIssue({ code: 'custom', message: 'no bare Thunder address' })
        return z.NEVER
      }),
    )
    .max(DEPOSIT_ADDRESSES_MAX)
    .default([]),
  drivechainOpcode: z.enum(['nop5', 'nop8']),
})

/** Where this host pays over Lightning. */
const lightning = z.strictObject({
  lnd: z.strictObject({
    /** `host:port` of its gRPC. */
    socket: z.string().regex(/^[^\s/]+:\d{1,5}$/, 'host:port'),
    certFile: path,
    macaroonFile: path,
  }),
  /** Where channels are opened to; without it, none are. */
  channels: channelsSchema.optional(),
  /** In place of the Internet: one server that stands for every payee's. On regtest alone. */
  resolver: z
    .strictObject({
      address: z.string().transform((text, context): IpAddress => {
        const parsed = parseIp(text)
        if (parsed !== null) return parsed
        context.addIssue({ code: 'custom', message: 'no address' })
        return z.NEVER
      }),
      httpsPort: z.int().min(1).max(65535),
      caFile: path,
    })
    .optional(),
})

const policySchema = z.strictObject({
  version: z.int().min(1),
  operators: z
    .array(
      z.strictObject({
        alias,
        roles: z.array(z.enum(['viewer', 'operator', 'approver', 'admin'])).min(1),
        keys: z.array(z.strictObject({ key: operatorKey, notAfter: instant })).max(KEYS_MAX),
      }),
    )
    .max(OPERATORS_MAX),
  bands: z
    .array(z.strictObject({ upToSats: satoshis.nullable(), approvals: z.int().min(1) }))
    .min(1)
    .max(BANDS_MAX),
  auto: z
    .strictObject({ poolKey: operatorKey, perBatchSats: satoshis, perDaySats: satoshis })
    .nullable(),
  limits: z.strictObject({
    perBatchSats: satoshis.nullable(),
    perDaySats: satoshis.nullable(),
    perDestinationPerDaySats: satoshis.nullable(),
  }),
  allowList: z.array(z.string()).max(ALLOWED_MAX).nullable(),
})

const configSchema = z.strictObject({
  network: z.enum(['mainnet', 'testnet4', 'signet', 'regtest']),
  listen: z.strictObject({
    host: z.string().min(1),
    port: z.int().min(0).max(65535),
    keyFile: path,
  }),
  memory: path,
  wallets: z.strictObject({ hot: wallet, cold: wallet.optional() }),
  /** Addresses are counted from 1, as a Thunder wallet gives them out. */
  thunder: z
    .strictObject({ seedFile: path, addresses: z.int().min(1).max(THUNDER_ADDRESSES_MAX) })
    .optional(),
  deposits: deposits.optional(),
  lightning: lightning.optional(),
  policy: policySchema,
})

/** A wallet that the signer has a key of. */
export type WalletConfig = { readonly descriptor: Descriptor; readonly seedFile: string }

/** The signer's own configuration: nothing in it comes from the pool. */
export type SignerConfig = Omit<z.infer<typeof configSchema>, 'policy' | 'wallets' | 'deposits'> & {
  readonly policy: SpendPolicy
  readonly wallets: Readonly<Partial<Record<'hot' | 'cold', WalletConfig>>>
  /** Null where this host signs no deposits. */
  readonly deposits: DepositRules | null
  /** Null where this host opens no channels. */
  readonly channels: ChannelRules | null
}

export type SignerConfigOutcome =
  | { readonly kind: 'config'; readonly config: SignerConfig }
  /** Everything wrong with it, each with the place where it stands. */
  | { readonly kind: 'errors'; readonly errors: readonly string[] }

/** Reads the signer's configuration. An unknown key is an error, never silently a default. */
export function parseSignerConfig(text: string): SignerConfigOutcome {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return { kind: 'errors', errors: [`(file): not JSON: ${String(error)}`] }
  }
  const parsed = configSchema.safeParse(json)
  if (!parsed.success) {
    const errors = parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
    return { kind: 'errors', errors }
  }
  const { policy: rules, wallets, deposits: told, ...rest } = parsed.data
  const policy = policyOf(rules)
  const errors = contradictions(policy)
  // Else whoever edits a file could have a payee's server be any machine beside this host.
  if (rest.lightning?.resolver !== undefined && rest.network !== 'regtest')
    errors.push('lightning.resolver: payees are on the Internet, but for regtest')
  const channels = rest.lightning?.channels && readChannels(rest.lightning.channels, rest.network)
  if (channels?.kind === 'errors') errors.push(...channels.errors)
  const read: Partial<Record<'hot' | 'cold', WalletConfig>> = {}
  for (const name of ['hot', 'cold'] as const) {
    const found = wallets[name]
    if (found === undefined) continue
    const descriptor = readDescriptor(found.descriptor, rest.network)
    if (descriptor.kind === 'descriptor') read[name] = { ...found, descriptor }
    else errors.push(`wallets.${name}.descriptor: ${descriptor.reason}`)
  }
  if (errors.length > 0) return { kind: 'errors', errors }
  return {
    kind: 'config',
    config: {
      ...{ ...rest, policy, wallets: read },
      deposits: told ? depositRules(told) : null,
      channels: channels?.kind === 'channels' ? channels.channels : null,
    },
  }
}

function depositRules({ addresses, drivechainOpcode }: z.infer<typeof deposits>): DepositRules {
  return {
    slot: THUNDER_SLOT,
    opcode: DRIVECHAIN_OPCODES[drivechainOpcode],
    addresses: new Set(addresses),
  }
}

function policyOf(rules: z.infer<typeof policySchema>): SpendPolicy {
  const { auto, limits } = rules
  return {
    version: rules.version,
    operators: rules.operators,
    bands: rules.bands.map(({ upToSats, approvals }) => ({ upTo: upToSats, approvals })),
    auto: auto && {
      poolKey: auto.poolKey,
      perBatch: auto.perBatchSats,
      perDay: auto.perDaySats,
    },
    limits: {
      perBatch: limits.perBatchSats,
      perDay: limits.perDaySats,
      perDestinationPerDay: limits.perDestinationPerDaySats,
    },
    allowList: rules.allowList && new Set(rules.allowList),
  }
}

/** What each field alone allows, but together cannot be meant. */
function contradictions({ operators, bands, auto }: SpendPolicy): string[] {
  const errors: string[] = []
  const keys = operators.flatMap(operator => operator.keys.map(each => each.key))
  if (new Set(keys).size !== keys.length) errors.push('policy.operators: a key stands there twice')
  if (new Set(operators.map(each => each.alias)).size !== operators.length)
    errors.push('policy.operators: an alias stands there twice')
  // Else one who has the pool's machine would count as a person too.
  if (auto !== null && keys.includes(auto.poolKey))
    errors.push("policy.auto.poolKey: it is an operator's key")
  const isRising = bands.every(({ upTo }, index) => {
    const before = index === 0 ? null : bands[index - 1]
    const rises = !before || (before.upTo !== null && (upTo === null || upTo > before.upTo))
    return rises && (upTo === null) === (index === bands.length - 1)
  })
  if (!isRising) errors.push('policy.bands: they do not rise to a last one without a bound')
  return errors
}
