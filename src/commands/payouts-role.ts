import { hostname } from 'node:os'
import { bidsPaid } from '../bmm/index.ts'
import { ledgerJobs } from '../ledger/index.ts'
import { openDoorbell } from '../lib/db/doorbell.ts'
import { messageOf } from '../lib/job-runner.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { openQueue } from '../lib/queue.ts'
import {
  addressScript,
  autoApprove,
  creditJobs,
  floatAccount,
  l1Rail,
  ownBatchJob,
  payoutJobs,
  reconciler,
  relayFreezes,
  rewardMethods,
} from '../payouts/index.ts'
import { fatesAfter, lastTip, workBack } from '../pool/index.ts'
import { freezeByPool, frozen, policyNow } from '../treasury/index.ts'
import { channelBridgeJobs } from './channel-wiring.ts'
import {
  l1Complaint,
  l1OptionsOf,
  l1Signers,
  l1Wallets,
  ownBatchPartsOf,
  ownBatchRulesOf,
} from './l1-wallets.ts'
import { lightningParts } from './lightning-rail-wiring.ts'
import { enforcedRules, feeOf, queueStoreOf, type Role, type Setting, schemesOf } from './role.ts'
import { signerClientOf } from './signer-access.ts'
import { thunderParts } from './thunder-rail-wiring.ts'
import { sidechainOf, thunderBridgeJobs } from './thunder-wiring.ts'
import { withdrawalJobs } from './withdrawal-wiring.ts'

const MS_PER_HOUR = 3_600_000

/** Credits what was earned, plans what is due, and takes approved batches to the chain. */
export async function startPayoutsRole(setting: Setting): Promise<Role> {
  const { config, db, databaseUrl, clock, log } = setting
  const options = l1OptionsOf(config)
  const rules = await enforcedRules(setting)
  const policy = () => policyNow(db, rules)
  const node = connectNode(config.node)
  const signer = await signerClientOf(config)
  const rail = l1Rail({
    ...{ db, node, clock, options, policy },
    ...l1Signers(setting, signer),
    sidechain: sidechainOf(config),
    channelAddress: config.bridges?.lightning?.address ?? null,
  })
  const floats = reconciler({
    ...{ db, clock, log, network: config.network, rail: rail.name },
    wallets: l1Wallets(config),
    complaint: l1Complaint(setting),
    finality: options.finality,
    scriptOf: address => addressScript(address, config.network),
  })
  const thunder = thunderParts(setting, signer, policy)
  const lightning = await lightningParts(setting, signer, policy)
  const others = [thunder, lightning].filter(each => each !== null)
  const compared = new Map([
    [rail.name, floats],
    ...others.map(each => [each.rail.name, each.floats] as const),
  ])
  const stopped = async (name: string) => compared.get(name)?.closed() ?? frozen(db, name)
  const ownParts = ownBatchPartsOf(setting, rules, stopped, null)
  const jobs = [
    ...[...compared.values()].map(({ job }) => job),
    ownBatchJob(ownParts, ownBatchRulesOf(config)),
    ...thunderBridgeJobs(setting, ownParts),
    ...withdrawalJobs(setting),
    ...(lightning && signer
      ? channelBridgeJobs(setting, ownParts, { signer, connection: lightning.connection })
      : []),
    ...creditJobs({
      ...{ db, clock, log, network: config.network },
      source: {
        workBack: (from, limit) => workBack(db, from, limit),
        fatesAfter: (id, limit) => fatesAfter(db, id, limit),
        bidsPaid: block => bidsPaid(db, block),
        tipHeight: async () => (await lastTip(db))?.height ?? null,
      },
      coinbaseFloat: floatAccount(config.rails.l1.coinbaseWallet),
      methodOf: rewardMethods(config.rewardPools),
      feeBasisPoints: feeOf(config),
    }),
    ...payoutJobs({
      ...{ db, clock, log, network: config.network },
      schemes: schemesOf(config),
      rails: [rail, ...others.map(each => each.rail)],
      rules: () => rules,
      approvePlanned: async () => {
        const { poolKey } = config.treasury
        if (poolKey === undefined) return []
        return autoApprove(db, await policy(), poolKey, { clock })
      },
      frozen: stopped,
      silenced: name => frozen(db, name),
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
  // Nothing leaves before the first comparison, and the queue may still hold one for a minute that
  // died with the process before this one.
  for (const { job } of compared.values())
    await job.run().catch(error => log.warn({ reason: messageOf(error) }, 'no comparison'))
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
      lightning?.connection.close()
    },
  }
}
