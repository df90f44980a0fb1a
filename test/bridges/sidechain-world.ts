import { thunderBridge } from '../../src/bridges/thunder-bridge.ts'
import { thunderView } from '../../src/bridges/thunder-view-client.ts'
import { activateThunder, type Sidechain, startSidechain } from '../../src/devnet/index.ts'
import { type BlockHash, blockHash } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { type ThunderClient, thunderClient } from '../../src/lib/nodes/thunder-client.ts'
import { ownTransactions, settledDeposits } from '../../src/payouts/rails/l1/deposit-store.ts'
import { enforcerViewOf, treasuryWatch } from '../../src/payouts/rails/l1/treasury-client.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { noteCredited } from '../../src/payouts/rails/thunder/coin-store.ts'
import { OUR_ADDRESS, THUNDER } from '../payouts/chain-enforcer.ts'
import { WALLET, type World } from '../payouts/l1-world.ts'
import { type TwoWallets, twoWallets } from '../payouts/two-wallets.ts'
import type { TestNode } from '../support/bitcoind.ts'

const log = createLog('test', 'silent')

/** Simulated Thunder and enforcer on a test's node, with the slot in use. */
export type TestSidechain = {
  readonly sidechain: Sidechain
  readonly thunder: ThunderClient
  /** Mines a main block with our deposits, if there are any, and with a new side block if asked. */
  readonly mine: (what?: { readonly side?: boolean; readonly world?: World }) => Promise<BlockHash>
}

export async function testSidechainOn(node: TestNode): Promise<TestSidechain> {
  const sidechain = await startSidechain({ rpc: node.rpc, log })
  await activateThunder(sidechain)
  const { publicUrl, privateUrl } = sidechain.thunder
  const thunder = thunderClient({ publicUrl, privateUrl, network: 'regtest' })
  const mine: TestSidechain['mine'] = async ({ side = false, world } = {}) => {
    const offered = world ? await offeredBy(world, node, sidechain) : []
    const template = side ? await thunder.getBlockTemplate() : null
    const hash = blockHash(
      await sidechain.enforcer.control.mine({
        transactions: offered.map(({ raw }) => raw),
        ...(template ? { accept: template.criticalHash } : {}),
      }),
    )
    await sidechain.enforcer.control.sync()
    if (template) await thunder.connectBlock(template.block, hash)
    return hash
  }
  return { sidechain, thunder, mine }
}

const treasuryOf = (node: TestNode, { enforcer }: Sidechain) =>
  treasuryWatch(
    connectNode(node.rpc),
    enforcerViewOf(enforcerClient({ grpcUrl: enforcer.grpcUrl }), THUNDER.slot),
    THUNDER,
  )

const offeredBy = ({ db }: World, node: TestNode, sidechain: Sidechain) =>
  ownTransactions({
    db,
    treasury: treasuryOf(node, sidechain),
    isUnspent: walletClient(connectNode(node.rpc), WALLET).isUnspent,
  })

/** A world whose rail deposits by what the simulated enforcer says. */
export function depositing(world: World, node: TestNode, { sidechain }: TestSidechain): TwoWallets {
  const treasury = treasuryOf(node, sidechain)
  return twoWallets(world, node, {
    sidechain: { ...THUNDER, addresses: new Set([OUR_ADDRESS]), treasury },
  })
}

/** One run of the bridge; coins that it notes are told. */
export function followOn(
  { db, clock }: World,
  node: TestNode,
  { thunder }: TestSidechain,
  noted: (name: string) => void = () => {},
): () => Promise<void> {
  const wallet = walletClient(connectNode(node.rpc), WALLET)
  const bridge = thunderBridge({
    ...{ db, clock, log },
    view: thunderView(thunder, wallet),
    need: async () => ({ float: sats(0n), coming: sats(0n), due: sats(0n) }),
    fill: async () => ({ kind: 'nothing', reason: 'a test' }),
    settled: which => settledDeposits(db, which),
    noteCoin: async (tx, arrival, at) => {
      await noteCredited(tx, arrival, at)
      noted(`${arrival.coin.txid}:${arrival.coin.vout}`)
    },
  })
  return bridge.follow
}
