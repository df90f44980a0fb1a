import {
  type BundleEnforcer,
  watchBundles,
  watchSideBlocks,
  watchTreasuries,
} from '../bmm/index.ts'
import type { Config } from '../config.ts'
import { DRIVECHAIN_OPCODES } from '../lib/bitcoin/drivechain.ts'
import type { BitcoindClient } from '../lib/nodes/bitcoind-client.ts'
import type { EnforcerTemplateClient } from '../lib/nodes/enforcer-template-client.ts'
import type { OwnTransaction } from '../payouts/index.ts'
import {
  bestOf,
  type CoinbaseParts,
  type TemplateEvent,
  type TemplateSource,
  watchTemplates,
  withEnforcer,
} from '../pool/index.ts'
import { arrangingFor, type OwnPart, type SideNodeConfig, sideNodeOf } from './bmm-wiring.ts'
import { watchOwnDeposits } from './own-deposits.ts'
import type { Setting } from './role.ts'

const NO_SLOTS: ReadonlySet<number> = new Set()

/** A node with the name that logs have for it. */
export type NamedBitcoind = { readonly name: string; readonly node: BitcoindClient }

/** Templates of the node, or of the enforcer, with what our blocks say of sidechains. */
export function startTemplates(
  {
    config,
    db,
    clock,
    log,
  }: Pick<Setting, 'db' | 'clock' | 'log'> & {
    readonly config: SideNodeConfig & {
      readonly node: Pick<Config['node'], 'zmqHashBlock'>
    }
  },
  options: {
    /** The pool's own, which is asked of sidechains too, and its spares. */
    readonly nodes: readonly [NamedBitcoind, ...NamedBitcoind[]]
    /** Null where templates come from the node alone. */
    readonly enforcer: EnforcerTemplateClient | null
    /** The same enforcer's calls; null where none are known, and its templates must be right. */
    readonly bundleEnforcer: BundleEnforcer | null
    readonly parts: CoinbaseParts
    /** Which deposits of ours the next block could have; null where we make none. */
    readonly deposits: (() => Promise<readonly OwnTransaction[]>) | null
    readonly onEvent: (event: TemplateEvent) => void
  },
): Pick<TemplateSource, 'stop'> {
  const { nodes, enforcer, bundleEnforcer, parts, deposits: offers, onEvent } = options
  const [{ node }] = nodes
  const { network, bmm } = config
  const zmq = config.node.zmqHashBlock
  const best = bestOf({ nodes, network, clock, log })
  const source = {
    ...{ network, clock, log, onEvent },
    node: enforcer ? withEnforcer({ node: best, enforcer, log }) : best,
    ...(zmq ? { zmqHashBlockUrl: zmq } : {}),
  }
  if (!bmm) return watchTemplates(source)

  const opcode = DRIVECHAIN_OPCODES[bmm.drivechainOpcode]
  const treasuries = watchTreasuries({ node, opcode, log })
  const sideNode = sideNodeOf(config)
  const sideBlocks = sideNode
    ? watchSideBlocks({ ...{ db, clock, log, node: sideNode }, onNew: () => templates.renew() })
    : null
  const deposits = offers
    ? watchOwnDeposits({
        ...{ offers, log, onNew: () => templates.renew() },
        tip: async () => (await node.getBlockchainInfo()).bestBlock,
      })
    : null
  const bundles = bundleEnforcer && watchBundles({ enforcer: bundleEnforcer, log })
  const own: OwnPart = {
    sideBlockOn: parent => {
      treasuries.see(parent.previousBlock)
      const ready = sideBlocks?.on(parent)
      return ready ? { ...ready, yieldsFrom: bmm.thunder?.yieldsFromSats ?? null } : null
    },
    treasuryCoins: treasuries.coins,
    failingBundlesOn: parent => (bundles ? bundles.on(parent) : NO_SLOTS),
    transactionsOn: parent => deposits?.on(parent) ?? [],
  }
  const templates = watchTemplates({ ...source, arranging: arrangingFor(bmm, parts, own) })
  return {
    stop: async () => {
      await templates.stop()
      await sideBlocks?.stop()
      await deposits?.stop()
    },
  }
}
