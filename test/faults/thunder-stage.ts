import type { Kysely } from 'kysely'
import { z } from 'zod'
import {
  activateThunder,
  callConnect,
  type Sidechain,
  startSidechain,
} from '../../src/devnet/index.ts'
import { chartAccount, postEntries } from '../../src/ledger/index.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { type AccountId, blockHash, journalKey } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { millisats, msatsFromSats, type Sats } from '../../src/lib/money.ts'
import { type ThunderClient, thunderClient } from '../../src/lib/nodes/thunder-client.ts'
import { systemRandom } from '../../src/lib/random.ts'
import {
  bareAddress,
  parseBareAddress,
  type ThunderAddress,
} from '../../src/lib/thunder/address.ts'
import { outputTotal } from '../../src/lib/thunder/transaction.ts'
import { systemClock } from '../../src/lib/time.ts'
import { noteThunderCoins } from '../../src/payouts/rails/thunder/coin-store.ts'
import { type PoolScene, poolScene } from '../support/pool-scene.ts'
import { TEST_MNEMONIC } from '../support/sidechain.ts'
import { startTapProxy, type TapProxy } from '../support/tap-proxy.ts'
import { flushQueue, putBetween, target, type Victim } from './stage.ts'
import { openWorld, oweTo, type World } from './stage-world.ts'

const HASHES_PER_BLOCK = 1n << 40n
const MATURITY_BLOCKS = 101
/** Enough for every round of a campaign. */
const FLOAT_SATS = 2_000_000_000
const ADDRESSES = 2
const log = createLog('test', 'silent')

/** Who is paid on a stage. */
export type ThunderMiner = {
  readonly account: AccountId
  readonly address: ThunderAddress
  readonly amount: Sats
}

/** The payouts role between taps, which pays on a simulated Thunder. */
export type ThunderStage = {
  readonly scene: PoolScene
  readonly db: Kysely<Database>
  readonly world: World
  readonly thunder: ThunderClient
  /** Ours there. */
  readonly addresses: readonly ThunderAddress[]
  readonly payouts: Victim
  readonly owe: (amount: Sats) => Promise<ThunderMiner>
  /** Mines a block with a new side block. */
  readonly mine: () => Promise<void>
  readonly remove: () => Promise<void>
}

export async function openThunderStage(): Promise<ThunderStage> {
  const payouts = target(() => {})
  const tapped = async (server: string, url: string): Promise<string> => {
    const port = Number(new URL(url).port)
    const tap: TapProxy = await startTapProxy(() => port, payouts.striker.tap(server))
    payouts.taps.push(tap)
    return `http://127.0.0.1:${tap.port}`
  }
  const made: { sidechain?: Sidechain; thunder?: ThunderClient } = {}
  const addresses: ThunderAddress[] = []
  const scene = await poolScene({
    hashesPerBlock: HASHES_PER_BLOCK,
    nodeUrl: devnet => tapped('node', devnet.poolNodeUrl),
    more: async devnet => {
      const sidechain = await startSidechain({ rpc: devnet.node.rpc, log })
      made.sidechain = sidechain
      const { publicUrl, privateUrl } = sidechain.thunder
      made.thunder = thunderClient({ publicUrl, privateUrl, network: 'regtest' })
      await activateThunder(sidechain.enforcer.grpcUrl)
      addresses.push(...(await fundThunder(sidechain, made.thunder, devnet.call)))
      return {
        schemeRails: ['thunder'],
        rails: {
          thunder: {
            publicUrl: await tapped('thunder', publicUrl),
            privateUrl: await tapped('thunder', privateUrl),
            addresses,
            ...{ signer: { kind: 'node', floatCapSats: null }, finalityDepth: 1, feeSats: '100' },
          },
        },
      }
    },
  })
  const { sidechain, thunder } = made
  if (!sidechain || !thunder) throw new Error('a scene has the sidechain that it was told')
  const db = openDatabase(scene.postgres().ownerUrl('postgres'), { max: 3 })
  const world = await openWorld(db, scene)
  await bookFloat(db, thunder, addresses)
  const victim = await putBetween(scene, payouts, {
    role: 'payouts',
    begin: () => flushQueue(db),
  })
  await victim.isThere()
  return {
    ...{ scene, db, world, thunder, addresses, payouts: victim },
    owe: amount => owe(db, amount),
    mine: () => mineSideBlock(sidechain, thunder),
    remove: async () => {
      payouts.striker.revive()
      await db.destroy()
      await sidechain.stop()
      await scene.remove()
      for (const tap of payouts.taps) await tap.close()
    },
  }
}

/** Gives the node's wallet its keys, and a deposit to them. */
async function fundThunder(
  sidechain: Sidechain,
  thunder: ThunderClient,
  call: (method: string, ...params: readonly unknown[]) => Promise<unknown>,
): Promise<ThunderAddress[]> {
  const { enforcer } = sidechain
  const ask = (method: string, body: object) => callConnect(enforcer.grpcUrl, method, body)
  const own = z
    .object({ address: z.string() })
    .parse(await ask('WalletService/CreateNewAddress', {}))
  await call('generatetoaddress', MATURITY_BLOCKS, own.address)
  await enforcer.control.sync()
  const wallet = walletCaller(sidechain.thunder.privateUrl)
  await wallet('set_seed_from_mnemonic', TEST_MNEMONIC)
  const addresses: ThunderAddress[] = []
  for (let n = 0; n < ADDRESSES; n++) {
    const address = parseBareAddress(z.string().parse(await wallet('get_new_address')))
    if (address !== null) addresses.push(address)
  }
  // A node does not relay a deposit, so that it comes in a block of ours.
  await wallet('create_deposit', addresses[0], FLOAT_SATS, 1000).catch(() => {})
  const raw = (enforcer.parts.wallet?.deposits() ?? []).map(made => fromHex(made.raw))
  await enforcer.control.mine({ transactions: raw })
  await mineSideBlock(sidechain, thunder)
  return addresses
}

function walletCaller(url: string) {
  return async (method: string, ...params: readonly unknown[]): Promise<unknown> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    return z.object({ result: z.unknown() }).parse(await response.json()).result
  }
}

async function mineSideBlock({ enforcer }: Sidechain, thunder: ThunderClient): Promise<void> {
  const { block, criticalHash } = await thunder.getBlockTemplate()
  const hash = await enforcer.control.mine({ accept: criticalHash })
  await enforcer.control.sync()
  await thunder.connectBlock(block, blockHash(hash))
}

/** As if what Thunder holds for us had been put in as capital. */
async function bookFloat(
  db: Kysely<Database>,
  thunder: ThunderClient,
  addresses: readonly ThunderAddress[],
): Promise<void> {
  const at = systemClock.now()
  const journal = journalKey('capital:thunder')
  const coins = (await thunder.getUtxos(addresses)).map(({ outPoint, output }) => ({
    ...{ outPoint, address: output.address, value: outputTotal(output) },
    ...{ origin: 'capital' as const, journalKey: journal },
  }))
  const amount = msatsFromSats(coins.map(({ value }) => value).reduce((a, b) => (a + b) as Sats))
  const legs = [
    { account: chartAccount('thunderFloat'), amount },
    { account: chartAccount('treasuryCapital'), amount: millisats(-amount) },
  ]
  await db.transaction().execute(async tx => {
    await postEntries(tx, [{ key: journal, event: 'capital put in', legs, at }])
    await noteThunderCoins(tx, coins, at)
  })
}

/** A miner of nobody's key on Thunder. */
async function owe(db: Kysely<Database>, amount: Sats): Promise<ThunderMiner> {
  const address = bareAddress(systemRandom.bytes(20))
  const account = await oweTo(db, { kind: 'thunder', destination: address }, amount)
  return { account, address, amount }
}
