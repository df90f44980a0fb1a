import { bmmJobs } from '../bmm/index.ts'
import { openDoorbell } from '../lib/db/doorbell.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../lib/nodes/bitcoind-client.ts'
import { watchBlockHashes } from '../lib/nodes/zmq-source.ts'
import { openQueue } from '../lib/queue.ts'
import { accountingJobs, CLOSE_EPOCHS, FOLLOW_CHAIN, lastTip } from '../pool/index.ts'
import { sideNodeOf } from './bmm-wiring.ts'
import { payScriptOf, queueStoreOf, type Role, rewardPoolOf, type Setting } from './role.ts'

const MS_PER_MINUTE = 60_000

/** Closes epochs, states their work, and follows what becomes of our blocks. */
export async function startAccountingRole(setting: Setting): Promise<Role> {
  const { config, db, databaseUrl, clock, log } = setting
  const { node, network, pool } = config
  const queue = openQueue({ name: 'accounting', store: queueStoreOf(setting), log, clock })
  const client = bitcoindClient(connectNode(node))
  const sidechains = bmmJobs({
    ...{ db, node: client, clock, log, sideNode: sideNodeOf(config) },
    tipHeight: async () => (await lastTip(db))?.height ?? null,
  })
  await queue.start([
    ...accountingJobs({
      ...{ db, clock, log, network, node: client },
      rewardPoolOf: rewardPoolOf(config),
      payScript: payScriptOf(config),
      epochLengthMs: Math.round(pool.epochMinutes * MS_PER_MINUTE),
      orphanDepth: pool.orphanDepth,
      retentionBlocks: pool.shareRetentionBlocks,
    }),
    ...sidechains,
  ])
  const wake = (name: string) => void queue.wake(name)
  const tips = node.zmqHashBlock
    ? watchBlockHashes(node.zmqHashBlock, () => wake(FOLLOW_CHAIN))
    : null
  const ring = () => {
    wake(CLOSE_EPOCHS)
    wake(FOLLOW_CHAIN)
    for (const { name } of sidechains) wake(name)
  }
  const doorbell = openDoorbell({ url: databaseUrl, channels: ['blocks'], ring, log })
  return {
    stop: async () => {
      await tips?.stop()
      await doorbell.stop()
      await queue.close()
    },
  }
}
