import type { Kysely } from 'kysely'
import { activateThunder, type Sidechain, startSidechain } from '../../src/devnet/index.ts'
import { chartAccount, minerAccount, postEntries } from '../../src/ledger/index.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { accountId, blockHash, journalKey } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { millisats, msatsFromSats, type Sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { type ThunderClient, thunderClient } from '../../src/lib/nodes/thunder-client.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { bareAddress } from '../../src/lib/thunder/address.ts'
import { systemClock } from '../../src/lib/time.ts'
import {
  enforcerViewOf,
  ownTransactions,
  treasuryWatch,
  walletClient,
} from '../../src/payouts/index.ts'
import { OUR_ADDRESS, THUNDER } from '../payouts/chain-enforcer.ts'
import { type PoolScene, poolScene } from '../support/pool-scene.ts'
import { startTapProxy, type TapProxy } from '../support/tap-proxy.ts'
import { flushQueue, putBetween, target, type Victim } from './stage.ts'
import { openWorld, type World } from './stage-world.ts'

const HASHES_PER_BLOCK = 1n << 40n
const log = createLog('test', 'silent')

/** The payouts role between taps, on a node with a simulated sidechain. */
export type DepositStage = {
  readonly scene: PoolScene
  readonly db: Kysely<Database>
  readonly world: World
  readonly sidechain: Sidechain
  readonly thunder: ThunderClient
  readonly payouts: Victim
  /** Owes a new miner so much on Thunder, so that the float there is too small. */
  readonly owe: (amount: Sats) => Promise<void>
  /** Mines a block with our deposits and a new side block. */
  readonly mine: () => Promise<void>
  readonly remove: () => Promise<void>
}

export async function openDepositStage(): Promise<DepositStage> {
  const payouts = target(() => {})
  const tapped = async (server: string, url: string): Promise<string> => {
    const port = Number(new URL(url).port)
    const tap: TapProxy = await startTapProxy(() => port, payouts.striker.tap(server))
    payouts.taps.push(tap)
    return `http://127.0.0.1:${tap.port}`
  }
  const made: { sidechain?: Sidechain } = {}
  const scene = await poolScene({
    hashesPerBlock: HASHES_PER_BLOCK,
    nodeUrl: devnet => tapped('node', devnet.poolNodeUrl),
    more: async devnet => {
      made.sidechain = await startSidechain({ rpc: devnet.node.rpc, log })
      await activateThunder(made.sidechain.enforcer.grpcUrl)
      const { enforcer, thunder } = made.sidechain
      const refill = { from: 'hot', lowSats: '1', targetSats: '1000', capSats: '1000000000000' }
      return {
        bmm: { drivechainOpcode: 'nop5' },
        bridges: {
          thunder: { enforcerUrl: await tapped('enforcer', enforcer.grpcUrl), refill },
        },
        rails: {
          thunder: {
            publicUrl: await tapped('thunder', thunder.publicUrl),
            privateUrl: thunder.privateUrl,
            addresses: [OUR_ADDRESS],
            // Nobody is paid there by this stage: its scheme pays on the main chain alone.
            ...{ signer: { kind: 'node', floatCapSats: null }, finalityDepth: 1, feeSats: '0' },
          },
        },
      }
    },
  })
  const { sidechain } = made
  if (!sidechain) throw new Error('a scene has the sidechain that it was told')
  const db = openDatabase(scene.postgres().ownerUrl('postgres'), { max: 3 })
  const world = await openWorld(db, scene)
  const victim = await putBetween(scene, payouts, {
    role: 'payouts',
    begin: () => flushQueue(db),
  })
  await victim.isThere()
  const { publicUrl, privateUrl } = sidechain.thunder
  const thunder = thunderClient({ publicUrl, privateUrl, network: 'regtest' })
  return {
    ...{ scene, db, world, sidechain, thunder, payouts: victim },
    owe: amount => owe(db, amount),
    mine: () => mine(db, scene, sidechain, thunder),
    remove: async () => {
      payouts.striker.revive()
      await db.destroy()
      await sidechain.stop()
      await scene.remove()
      for (const tap of payouts.taps) await tap.close()
    },
  }
}

async function mine(
  db: Kysely<Database>,
  { devnet }: PoolScene,
  { enforcer }: Sidechain,
  thunder: ThunderClient,
): Promise<void> {
  const node = connectNode(devnet.node.rpc)
  const view = enforcerViewOf(enforcerClient({ grpcUrl: enforcer.grpcUrl }), THUNDER.slot)
  const offered = await ownTransactions({
    db,
    treasury: treasuryWatch(node, view, THUNDER),
    isUnspent: walletClient(node, devnet.wallet).isUnspent,
  })
  const { block, criticalHash } = await thunder.getBlockTemplate()
  const transactions = offered.map(({ raw }) => raw)
  const hash = await enforcer.control.mine({ transactions, accept: criticalHash })
  await enforcer.control.sync()
  await thunder.connectBlock(block, blockHash(hash))
}

/** A miner of nobody's key on Thunder; the scene's scheme pays on the main chain alone. */
async function owe(db: Kysely<Database>, amount: Sats): Promise<void> {
  const at = systemClock.now()
  const created_ms = BigInt(at)
  await db.transaction().execute(async tx => {
    const payee = await tx
      .insertInto('payees')
      .values({ kind: 'thunder', destination: bareAddress(systemRandom.bytes(20)), created_ms })
      .returning('id')
      .executeTakeFirstOrThrow()
    const { id } = await tx
      .insertInto('accounts')
      .values({ payee_id: payee.id, scheme: 'pps', created_ms })
      .returning('id')
      .executeTakeFirstOrThrow()
    const owed = msatsFromSats(amount)
    const legs = [
      { account: chartAccount('ppsCost'), amount: owed },
      { account: minerAccount(accountId(id), 'payable'), amount: millisats(-owed) },
    ]
    const entry = { key: journalKey(`credit:test:${id}`), event: 'credit', legs, at }
    await postEntries(tx, [entry])
  })
}
