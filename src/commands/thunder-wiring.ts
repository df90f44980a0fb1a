import { bridgeJobs, floatRuleOf, thunderBridge, thunderView } from '../bridges/index.ts'
import type { Config } from '../config.ts'
import { DRIVECHAIN_OPCODES } from '../lib/bitcoin/drivechain.ts'
import type { Job } from '../lib/job-runner.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { enforcerClient } from '../lib/nodes/enforcer-client.ts'
import { thunderClient } from '../lib/nodes/thunder-client.ts'
import { THUNDER_SLOT } from '../lib/thunder/address.ts'
import {
  enforcerViewOf,
  noteCredited,
  type OwnBatchParts,
  type OwnTransaction,
  ownTransactions,
  planOwnBatch,
  type Sidechain,
  settledDeposits,
  thunderNeed,
  treasuryWatch,
  walletClient,
} from '../payouts/index.ts'
import type { Setting } from './role.ts'

/** The sidechain that deposits go to; null where none are made. */
export function sidechainOf({ bridges, bmm, node, rails }: Config): Sidechain | null {
  const { thunder } = rails
  if (!bridges?.thunder || !bmm || !thunder) return null
  const script = { slot: THUNDER_SLOT, opcode: DRIVECHAIN_OPCODES[bmm.drivechainOpcode] }
  const enforcer = enforcerClient({ grpcUrl: bridges.thunder.enforcerUrl })
  const view = enforcerViewOf(enforcer, THUNDER_SLOT)
  return {
    ...script,
    addresses: new Set(thunder.addresses),
    treasury: treasuryWatch(connectNode(node), view, script),
  }
}

/**
 * Deposits that our own next block may have; asked anew for each template.
 *
 * @returns null where none are made
 */
export function depositOffers({
  config,
  db,
}: Setting): (() => Promise<readonly OwnTransaction[]>) | null {
  const sidechain = sidechainOf(config)
  if (sidechain === null) return null
  const { isUnspent } = walletClient(connectNode(config.node), config.rails.l1.hot.wallet)
  return () => ownTransactions({ db, treasury: sidechain.treasury, isUnspent })
}

/**
 * What follows deposits to Thunder and fills the float there; none without a bridge.
 *
 * @param parts what planning own batches takes
 */
export function thunderBridgeJobs(
  { config, db, clock, log }: Setting,
  parts: OwnBatchParts,
): readonly Job[] {
  const { bridges, network, node, rails } = config
  const { thunder } = rails
  if (!bridges?.thunder || !thunder) return []
  const { refill } = bridges.thunder
  const bridge = thunderBridge({
    ...{ db, clock, log },
    view: thunderView(
      thunderClient({ ...thunder, network }),
      walletClient(connectNode(node), rails.l1.hot.wallet),
    ),
    need: () => thunderNeed(db, clock.now()),
    fill: amount =>
      planOwnBatch(
        parts,
        { kind: 'deposit', from: refill?.from ?? 'hot', amount },
        { kind: 'plan' },
      ),
    settled: which => settledDeposits(db, which),
    noteCoin: noteCredited,
  })
  const stopped = async () => (await parts.frozen('l1')) ?? (await parts.frozen('thunder'))
  return bridgeJobs({ bridge, rule: floatRuleOf(refill), stopped, log })
}
