import type { Config } from '../config.ts'
import { assert } from '../lib/assert.ts'
import type { Log } from '../lib/log.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { type BitcoindClient, bitcoindClient } from '../lib/nodes/bitcoind-client.ts'
import { enforcerClient } from '../lib/nodes/enforcer-client.ts'
import { enforcerTemplateClient } from '../lib/nodes/enforcer-template-client.ts'
import { createPayees } from '../payouts/index.ts'
import {
  type DoorRules,
  finderBytesMax,
  type StratumPort,
  startMining,
  strictest,
  wantsSignature,
} from '../pool/index.ts'
import { lengthAlarm } from './bmm-wiring.ts'
import { payScriptOf, paysFinder, type Role, type Setting } from './role.ts'
import { startTemplates } from './stratum-templates.ts'
import { depositOffers } from './thunder-wiring.ts'

/** How long a share may wait for PostgreSQL before its miner gets error 20. */
const SHARE_WAIT_MS_MAX = 30_000

/** Serves miners: the only role on the share path, alone in its process. */
export async function startStratumRole(setting: Setting): Promise<Role> {
  const { config, db, clock, random, log } = setting
  const { node, network, pool, bmm, bridges } = config
  const client = bitcoindClient(connectNode(node))
  const spares = node.spares.map(access => ({
    name: access.url,
    node: bitcoindClient(connectNode(access)),
  }))
  const nodes = [{ name: node.url, node: client }, ...spares] as const
  const isPaidAsWorkOnly = network === 'signet' && (await blocksWantSignature(client, log))
  const schemes = servedSchemes(config, isPaidAsWorkOnly)
  const ports = portsOf(config, schemes)
  const payScript = payScriptOf(config)
  const offers = schemes.map(scheme => ({
    ...{ scheme: scheme.name, rails: scheme.rails },
    ports: scheme.ports.map(({ port }) => port),
    finderFee: paysFinder(config, scheme)
      ? { feeBasisPoints: scheme.feeBasisPoints, poolScript: payScript }
      : null,
  }))
  const finderFees = offers.flatMap(({ finderFee }) => finderFee?.feeBasisPoints ?? [])
  const finderBytes = finderBytesMax(payScript, finderFees)
  const enforcer = bmm?.templateUrl ? enforcerTemplateClient(bmm.templateUrl) : null
  const toEnforcer = enforcer && bmm?.templateUrl ? [named(bmm.templateUrl, enforcer)] : []
  const limits = strictest(config.schemes.map(({ coinbase }) => coinbase))
  const coinbase = { tag: pool.tag, payScript }
  const mining = await startMining({
    ...{ ports, db, clock, random, log },
    authorize: createPayees({ db, clock, network, offers }).authorize,
    nodes: [...nodes.map(({ name, node }) => named(name, node)), ...toEnforcer],
    ...coinbase,
    shareWaitMaxMs: SHARE_WAIT_MS_MAX,
    door: doorOf(config),
  })
  assert(mining.ports.length === ports.length, 'every port is listened on')
  log.info({ ports: mining.ports }, 'miners may connect')
  const watchLength = lengthAlarm(limits.alarmBytes, log)
  const templates = startTemplates(setting, {
    ...{ nodes, enforcer },
    bundleEnforcer: bridges?.thunder
      ? enforcerClient({ grpcUrl: bridges.thunder.enforcerUrl })
      : null,
    parts: { ...coinbase, finderBytes, bytesMax: limits.maximumBytes },
    deposits: depositOffers(setting),
    onEvent: event => {
      if (event.kind === 'paused') return mining.pause()
      // The node of a start could be away, so that this shows only now.
      if (event.template.wantsSignature && !isPaidAsWorkOnly) return mining.pause()
      watchLength(mining.work(event.template) + finderBytes)
    },
  })
  return {
    stop: async () => {
      // Miners go on while they leave, to another process or to the one that comes after this.
      await mining.drain()
      await templates.stop()
      await mining.stop()
    },
  }
}

function named(name: string, { submitBlock }: Pick<BitcoindClient, 'submitBlock'>) {
  return { name, submitBlock }
}

/**
 * On a signet that signs its blocks no share can become one (BIP 325): such a pool goes on with
 * schemes that pay for work itself, and says so.
 */
async function blocksWantSignature(node: BitcoindClient, log: Log): Promise<boolean> {
  const template = await node.getBlockTemplate().catch(() => null)
  if (template === null || !wantsSignature(template)) return false
  log.warn({}, 'this signet signs its blocks (BIP 325): nobody finds one here, only PPS is served')
  return true
}

type SchemeConfig = Config['schemes'][number]

function servedSchemes({ schemes, rewardPools }: Config, isPaidAsWorkOnly: boolean) {
  return schemes.filter(
    ({ rewardPool }) => !isPaidAsWorkOnly || rewardPools[rewardPool]?.method === 'pps',
  )
}

function portsOf(config: Config, schemes: readonly SchemeConfig[]): StratumPort[] {
  const { host, processes, tls } = config.stratum
  return schemes.flatMap(scheme =>
    scheme.ports.map(({ port, tls: isSafe, difficulty = scheme.difficulty }) => ({
      ...{ host, port, scheme: scheme.name, isShared: processes > 1 },
      coinbasePays: paysFinder(config, scheme) ? 'finder' : 'pool',
      ...(isSafe && tls ? { tls } : {}),
      rule: {
        startLog2: difficulty.start,
        minLog2: difficulty.minimum,
        maxLog2: difficulty.maximum,
        secondsPerShare: difficulty.secondsPerShare,
      },
    })),
  )
}

function doorOf({ stratum }: Config): DoorRules {
  const { connectionsPerAddress, exemptAddresses, trustedProxies } = stratum
  return {
    connectionsPerSubscriber: connectionsPerAddress,
    exempt: exemptAddresses,
    proxies: trustedProxies,
  }
}
