import {
  thunderView,
  type WithdrawalParts,
  withdrawalJob,
  withdrawalOutputs,
} from '../bridges/index.ts'
import type { Job } from '../lib/job-runner.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { enforcerClient } from '../lib/nodes/enforcer-client.ts'
import {
  addressScript,
  bundlePayouts,
  noteCoins,
  settledWithdrawals,
  walletClient,
} from '../payouts/index.ts'
import type { Setting } from './role.ts'
import { thunderNode } from './thunder-rail-wiring.ts'
import { sidechainOf } from './thunder-wiring.ts'

/** What follows withdrawals from Thunder to the hot wallet; none without a bridge. */
export function withdrawalJobs({ config, db, clock, log }: Setting): readonly Job[] {
  const { bridges, network, node, rails } = config
  const sidechain = sidechainOf(config)
  if (!bridges?.thunder || !rails.thunder || sidechain === null) return []
  const { slot, opcode } = sidechain
  const wallet = walletClient(connectNode(node), rails.l1.hot.wallet)
  const thunder = thunderNode(config, rails.thunder)
  const { tip } = thunderView(thunder, wallet)
  const enforcer = enforcerClient({ grpcUrl: bridges.thunder.enforcerUrl })
  const noteCoin: WithdrawalParts['noteCoin'] = (tx, { address, ...coin }, at) => {
    const place = { wallet: 'hot', origin: 'withdrawal' } as const
    return noteCoins(tx, [{ ...coin, ...place, script: addressScript(address, network) }], at)
  }
  return [
    withdrawalJob({
      ...{ db, clock, log, noteCoin },
      view: {
        outputs: withdrawalOutputs({ thunder, enforcer, tip }),
        payouts: addresses => bundlePayouts(wallet, { slot, opcode, network }, addresses),
        depthOf: wallet.knownDepthOf,
      },
      finality: rails.l1.finalityDepth,
      departed: () => settledWithdrawals(db),
    }),
  ]
}
