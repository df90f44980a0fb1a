import type { Kysely } from 'kysely'
import { operatorKeyOf } from '../approval/index.ts'
import type { Config } from '../config.ts'
import { parseAddress } from '../lib/bitcoin/address.ts'
import type { Database } from '../lib/db/schema.ts'
import type { Log } from '../lib/log.ts'
import type { QueueStore } from '../lib/queue.ts'
import type { Random } from '../lib/random.ts'
import type { Clock } from '../lib/time.ts'
import { type Destinations, railDestinations, type Scheme } from '../payouts/index.ts'
import { keepRules, type SpendRules, spendRules } from '../treasury/index.ts'
import { CommandError } from './command.ts'

export const ROLES = ['stratum', 'accounting', 'payouts', 'api'] as const
export type RoleName = (typeof ROLES)[number]

/** A running role. */
export type Role = { readonly stop: () => Promise<void> }

/** What every role is made from. */
export type Setting = {
  readonly config: Config
  readonly db: Kysely<Database>
  /** The processes' own URL of the database, for what needs a connection of its own. */
  readonly databaseUrl: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** The script that receives every coinbase. */
export function payScriptOf({ pool, network }: Config): Uint8Array {
  const address = parseAddress(pool.coinbaseAddress, network)
  if (address.kind === 'address') return address.script
  throw new CommandError(`pool.coinbaseAddress is not a Bitcoin address of ${network}`)
}

/** Whether blocks of a scheme pay their finder in their own coinbase. */
export function paysFinder(
  { rewardPools }: Pick<Config, 'rewardPools'>,
  { rewardPool }: { readonly rewardPool: string },
): boolean {
  const pool = rewardPools[rewardPool]
  return pool?.method === 'solo' && pool.coinbase === 'finder'
}

/** Redis where the configuration or `REDIS_URL` names one, else the pool's own database. */
export function queueStoreOf({ config, databaseUrl }: Setting): QueueStore {
  const redis = config.redis?.url ?? process.env['REDIS_URL']
  return redis ? { kind: 'redis', url: redis } : { kind: 'postgres', url: databaseUrl }
}

/** The reward pool of each scheme, by the scheme's name. */
export function rewardPoolOf(config: Config): (scheme: string) => string {
  const pools = new Map(config.schemes.map(scheme => [scheme.name, scheme.rewardPool]))
  return scheme => {
    const pool = pools.get(scheme)
    if (pool === undefined) throw new Error(`the configuration has no scheme ${scheme} any more`)
    return pool
  }
}

/** The fee of each scheme in basis points, by the scheme's name. */
export function feeOf(config: Config): (scheme: string) => number {
  const fees = new Map(config.schemes.map(scheme => [scheme.name, scheme.feeBasisPoints]))
  return scheme => {
    const fee = fees.get(scheme)
    if (fee === undefined) throw new Error(`the configuration has no scheme ${scheme} any more`)
    return fee
  }
}

/** What each port promises, as payouts sees it. */
export function schemesOf(config: Config): readonly Scheme[] {
  return config.schemes.map(scheme => ({
    name: scheme.name,
    rewardPool: scheme.rewardPool,
    interval: scheme.interval,
    rails: scheme.rails,
    minimum: scheme.minimumSats,
    feeBasisPoints: scheme.feeBasisPoints,
    feePaidBy: scheme.feePaidBy,
  }))
}

/** How each rail that this pool has reads a destination. */
export function destinationsOf({ network, rails }: Config): Destinations {
  return new Map([...railDestinations(network)].filter(([rail]) => Object.hasOwn(rails, rail)))
}

/** The rules by which money leaves, as the configuration has them; people come from the database. */
export function rulesOf({ treasury }: Config): SpendRules {
  const { policy, poolKey } = treasury
  return spendRules(policy, poolKey === undefined ? null : operatorKeyOf(poolKey))
}

/** Puts the configured rules in force. @throws CommandError where their version has other ones */
export async function enforcedRules({ config, db, clock }: Setting): Promise<SpendRules> {
  const rules = rulesOf(config)
  const { kind } = await keepRules(db, rules, clock.now())
  if (kind !== 'taken') return rules
  throw new CommandError(
    `treasury.policy: version ${rules.version} stands for other rules; raise the version`,
  )
}
