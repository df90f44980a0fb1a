import { sql } from 'kysely'
import { type ApiParts, buildApi, type HealthPart } from '../api/index.ts'
import { parseOperatorKey } from '../approval/index.ts'
import { owedTo } from '../ledger/index.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../lib/nodes/bitcoind-client.ts'
import {
  decideBatch,
  listFloats,
  nextPaymentsOf,
  planOwnBatch,
  whyWaiting,
} from '../payouts/index.ts'
import { lastTemplateAt, newestCoinbaseBytes, strictest } from '../pool/index.ts'
import { frozen, policyNow, type SpendRules } from '../treasury/index.ts'
import { moneyAudit } from './audit-checks.ts'
import { channelHealth } from './channel-wiring.ts'
import { ownBatchPartsOf } from './l1-wallets.ts'
import {
  destinationsOf,
  enforcedRules,
  paysFinder,
  type Role,
  type Setting,
  schemesOf,
} from './role.ts'
import { withdrawalSource } from './thunder-rail-wiring.ts'

const REQUESTS_PER_MINUTE_MAX = 1200
const MS_PER_HOUR = 3_600_000
/** Work is renewed every half minute; after this the miners work on something old. */
const TEMPLATE_AGE_MS_MAX = 120_000
/** Wallets are compared every minute; after this nobody does it any more. */
const FLOATS_AGE_MS_MAX = 300_000

/** @param isMining whether the stratum processes of this supervisor run */
export async function startApiRole(setting: Setting, isMining: () => boolean): Promise<Role> {
  const { config, db, clock, log } = setting
  const app = await buildApi({
    ...{ db, clock, log },
    pool: {
      name: config.pool.name,
      network: config.network,
      stratumHost: config.stratum.host,
    },
    schemes: schemesOf(config).map(scheme => {
      const { ports: all, difficulty } = schemeNamed(config, scheme.name)
      const portsWhere = (isSafe: boolean) =>
        all.flatMap(({ port, tls }) => (tls === isSafe ? [port] : []))
      const [ports, tlsPorts] = [portsWhere(false), portsWhere(true)]
      const { start, minimum, maximum } = difficulty
      const method = config.rewardPools[scheme.rewardPool]?.method ?? ''
      const coinbase = paysFinder(config, scheme) ? ('finder' as const) : ('pool' as const)
      const promise = { ...scheme, ports, tlsPorts, method, coinbase }
      return { ...promise, difficultyLog2: { start, minimum, maximum } }
    }),
    ...moneyParts(setting, await enforcedRules(setting)),
    health: healthParts(setting, isMining),
    coinbase: {
      alarmBytes: strictest(config.schemes.map(({ coinbase }) => coinbase)).alarmBytes,
      newestBytes: () => newestCoinbaseBytes(db),
    },
    trustedProxies: config.api.trustedProxies,
    requestsPerMinuteMax: REQUESTS_PER_MINUTE_MAX,
  })
  await app.listen({ host: config.api.host, port: config.api.port })
  log.info({ host: config.api.host, port: config.api.port }, 'API and pages are served')
  return { stop: () => app.close() }
}

function schemeNamed({ schemes }: Setting['config'], name: string) {
  const scheme = schemes.find(each => each.name === name)
  if (!scheme) throw new Error(`the configuration has no scheme ${name}`)
  return scheme
}

function moneyParts(
  setting: Setting,
  rules: SpendRules,
): Pick<
  ApiParts,
  | 'owedTo'
  | 'nextPayments'
  | 'whyWaiting'
  | 'destinations'
  | 'coolOffMs'
  | 'rules'
  | 'decide'
  | 'planOwn'
  | 'audit'
> {
  const { config, db, clock } = setting
  const own = ownBatchPartsOf(setting, rules, rail => frozen(db, rail), withdrawalSource(setting))
  const schemes = schemesOf(config)
  const destinations = destinationsOf(config)
  const waiting = {
    ...{ schemes, rules, clock },
    rails: [...destinations].map(([name, parseDestination]) => ({ name, parseDestination })),
    frozen: (rail: string) => frozen(db, rail),
    // Only the payouts role asks the node for rates; here nobody is said to wait for them.
    feeRates: new Map(),
  }
  return {
    destinations,
    coolOffMs: rules.coolOffHours * MS_PER_HOUR,
    whyWaiting: accounts => whyWaiting(db, waiting, accounts),
    owedTo: async accounts => {
      const owed = await owedTo(db, accounts)
      return [...owed].map(([account, sides]) => ({ account, ...sides }))
    },
    nextPayments: async accounts => {
      const due = await nextPaymentsOf(db, schemes, accounts)
      return new Map(
        [...due].map(([account, next]) => [
          account,
          next.kind === 'time' ? { kind: 'time', atMs: next.at } : next,
        ]),
      )
    },
    rules,
    decide: async ({ batch, act, operatorKey, manifestHash, signature }) => {
      const operator = parseOperatorKey(operatorKey)
      if (!operator) return { kind: 'refused', reason: 'unknown operator' }
      const given = { batch, act: { operator, act, manifestHash, signature } }
      const policy = await policyNow(db, rules)
      const verdict = await decideBatch(db, policy, given, { clock })
      if (verdict === null) return { kind: 'unknown batch' }
      // A stranger's post rings at nobody's door.
      if (verdict.kind === 'accepted')
        await sql`select pg_notify('decisions', ${String(batch)})`.execute(db)
      return verdict
    },
    planOwn: (wish, alias) => planOwnBatch(own, wish, { kind: 'operator', alias }),
    audit: moneyAudit(db),
  }
}

function healthParts(
  { config, db, clock }: Setting,
  isMining: () => boolean,
): Record<string, () => Promise<HealthPart>> {
  const node = bitcoindClient(connectNode(config.node))
  return {
    ...channelHealth({ config, db, clock }),
    database: async () => {
      await sql`select 1`.execute(db)
      return { ok: true, detail: 'answers' }
    },
    node: async () => {
      const { chain, blocks } = await node.getBlockchainInfo()
      return { ok: true, detail: `${chain}, block ${blocks}` }
    },
    stratum: async () => {
      const ok = isMining()
      return { ok, detail: ok ? 'every process runs' : 'a process is down and is started again' }
    },
    floats: async () => {
      const floats = await listFloats(db)
      const [oldest] = floats.map(({ checkedAt }) => checkedAt).toSorted((a, b) => a - b)
      if (oldest === undefined) return { ok: false, detail: 'not compared with the books yet' }
      const different = floats.filter(({ finding }) => finding !== null)
      if (different.length > 0) return { ok: false, detail: 'a wallet and the books differ' }
      const seconds = Math.floor((clock.now() - oldest) / 1000)
      const ok = seconds * 1000 < FLOATS_AGE_MS_MAX
      return { ok, detail: `wallets and books agreed ${seconds} s ago` }
    },
    freezes: async () => {
      for (const rail of destinationsOf(config).keys()) {
        const reason = await frozen(db, rail)
        if (reason !== null) return { ok: false, detail: `${rail} is ${reason}` }
      }
      return { ok: true, detail: 'nothing is frozen' }
    },
    work: async () => {
      const at = await lastTemplateAt(db)
      if (at === null) return { ok: false, detail: 'no template yet' }
      const seconds = Math.floor((clock.now() - at) / 1000)
      return { ok: seconds * 1000 < TEMPLATE_AGE_MS_MAX, detail: `template of ${seconds} s ago` }
    },
  }
}
