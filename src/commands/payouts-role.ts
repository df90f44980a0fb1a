import { hostname } from 'node:os'
import { ledgerJobs } from '../ledger/index.ts'
import { openDoorbell } from '../lib/db/doorbell.ts'
import { sats } from '../lib/money.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { openQueue } from '../lib/queue.ts'
import {
  autoApprove,
  creditJobs,
  L1_BOOKS,
  type L1Options,
  l1Rail,
  nodeSigner,
  payoutJobs,
  relayFreezes,
  rewardMethods,
} from '../payouts/index.ts'
import { fatesAfter, lastTip, workBack } from '../pool/index.ts'
import { freezeByPool, frozen, policyNow } from '../treasury/index.ts'
import { enforcedRules, feeOf, queueStoreOf, type Role, type Setting, schemesOf } from './role.ts'
import { signerClientOf } from './signer-access.ts'

const MS_PER_HOUR = 3_600_000

/** Credits what was earned, plans what is due, and takes approved batches to the chain. */
export async function startPayoutsRole(setting: Setting): Promise<Role> {
  const { config, db, databaseUrl, clock, log } = setting
  const { l1 } = config.rails
  const options: L1Options = {
    network: config.network,
    feeRateMin: sats(l1.feeFloorSatPerKvb),
    feeRateMax: sats(l1.feeCeilingSatPerKvb),
    confirmWithin: l1.confirmationTarget,
    finality: l1.finalityDepth,
    bumpAfterBlocks: l1.bumpAfterBlocks,
    floatCap: l1.floatCapSats,
  }
  const rules = await enforcedRules(setting)
  const policy = () => policyNow(db, rules)
  const node = connectNode(config.node)
  const hot = { name: l1.wallet, signer: nodeSigner(node, l1.wallet) }
  const rail = l1Rail({ ...{ db, node, clock, options, hot, policy }, cold: null })
  const signer = await signerClientOf(config)
  const jobs = [
    ...creditJobs({
      ...{ db, clock, log, network: config.network },
      source: {
        workBack: (from, limit) => workBack(db, from, limit),
        fatesAfter: (id, limit) => fatesAfter(db, id, limit),
        tipHeight: async () => (await lastTip(db))?.height ?? null,
      },
      methodOf: rewardMethods(config.rewardPools),
      feeBasisPoints: feeOf(config),
    }),
    ...payoutJobs({
      ...{ db, clock, log, network: config.network },
      schemes: schemesOf(config),
      rails: [rail],
      rules: () => rules,
      approvePlanned: async () => {
        const { poolKey } = config.treasury
        if (poolKey === undefined) return []
        return autoApprove(db, await policy(), poolKey, { books: L1_BOOKS, clock })
      },
      frozen: scope => frozen(db, scope),
      freeze: async (scope, reason) => {
        const words = { network: config.network, scope, reason, at: clock.now() }
        await db.transaction().execute(tx => freezeByPool(tx, words))
      },
      expiresAfterMs: config.treasury.approvalExpiryHours * MS_PER_HOUR,
      owner: `${hostname()}:${process.pid}`,
    }),
    ...ledgerJobs(db),
    ...(signer ? [relayFreezes({ db, client: signer, network: config.network })] : []),
  ]
  const queue = openQueue({ name: 'payouts', store: queueStoreOf(setting), log, clock })
  await queue.start(jobs)
  // New tips, fates and statements are what credits, plans and batches wait for.
  const ring = () => {
    for (const job of jobs) void queue.wake(job.name)
  }
  const channels = ['tips', 'fates', 'epochs', 'decisions', 'requests']
  const doorbell = openDoorbell({ url: databaseUrl, channels, ring, log })
  return {
    stop: async () => {
      await doorbell.stop()
      await queue.close()
    },
  }
}
