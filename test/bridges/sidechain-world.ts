import { thunderBridge } from '../../src/bridges/thunder-bridge.ts'
import { thunderView } from '../../src/bridges/thunder-view-client.ts'
import type { BlockHash } from '../../src/lib/ids.ts'
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
import { type ProvidedSidechain, testSidechain } from '../support/test-sidechain.ts'

const log = createLog('test', 'silent')

/** A sidechain as deposits see it. */
export type DepositScene = {
  readonly sidechain: ProvidedSidechain
  readonly thunder: ThunderClient
  /** Mines a main block with our deposits, if there are any, and with a new side block if asked. */
  readonly mine: (what?: { readonly side?: boolean; readonly world?: World }) => Promise<BlockHash>
}

export async function depositScene(): Promise<DepositScene> {
  const sidechain = await testSidechain()
  const thunder = thunderClient({ ...sidechain.urls, network: 'regtest' })
  const mine: DepositScene['mine'] = async ({ side = false, world } = {}) => {
    const offered = world ? await offeredBy(world, sidechain) : []
    const transactions = offered.map(({ raw }) => raw)
    const { main } = side
      ? await sidechain.mineSideBlock(transactions)
      : { main: await sidechain.mine({ transactions }) }
    return main
  }
  return { sidechain, thunder, mine }
}

const treasuryOf = ({ node, urls }: ProvidedSidechain) =>
  treasuryWatch(
    connectNode(node.rpc),
    enforcerViewOf(enforcerClient({ grpcUrl: urls.enforcerUrl }), THUNDER.slot),
    THUNDER,
  )

const offeredBy = ({ db }: World, sidechain: ProvidedSidechain) =>
  ownTransactions({
    db,
    treasury: treasuryOf(sidechain),
    isUnspent: walletClient(connectNode(sidechain.node.rpc), WALLET).isUnspent,
  })

/** A world whose rail deposits by what the enforcer says. */
export function depositing(world: World, { sidechain }: DepositScene): TwoWallets {
  const treasury = treasuryOf(sidechain)
  return twoWallets(world, sidechain.node, {
    sidechain: { ...THUNDER, addresses: new Set([OUR_ADDRESS]), treasury },
  })
}

/** One run of the bridge; coins that it notes are told. */
export function followOn(
  { db, clock }: World,
  { thunder, sidechain }: DepositScene,
  noted: (name: string) => void = () => {},
): () => Promise<void> {
  const wallet = walletClient(connectNode(sidechain.node.rpc), WALLET)
  const bridge = thunderBridge({
    ...{ db, clock, log },
    view: thunderView(thunder, wallet),
    need: async () => ({ float: sats(0n), coming: sats(0n), leaving: sats(0n), due: sats(0n) }),
    fill: async () => ({ kind: 'nothing', reason: 'a test' }),
    settled: which => settledDeposits(db, which),
    noteCoin: async (tx, arrival, at) => {
      await noteCredited(tx, arrival, at)
      noted(`${arrival.coin.txid}:${arrival.coin.vout}`)
    },
  })
  return bridge.follow
}
