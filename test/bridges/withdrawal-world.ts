import { expect } from 'vitest'
import { thunderView } from '../../src/bridges/thunder-view-client.ts'
import type { Withdrawal } from '../../src/bridges/withdrawal.ts'
import { followWithdrawals, type WithdrawalParts } from '../../src/bridges/withdrawal-bridge.ts'
import { listWithdrawals } from '../../src/bridges/withdrawal-store.ts'
import { withdrawalOutputs } from '../../src/bridges/withdrawal-view-client.ts'
import type { BatchId } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { type OwnBatchParts, planOwnBatch } from '../../src/payouts/own-batch-store.ts'
import { bundlePayouts } from '../../src/payouts/rails/l1/bundle-payout-client.ts'
import { noteCoins } from '../../src/payouts/rails/l1/coin-store.ts'
import { addressScript } from '../../src/payouts/rails/l1/destination.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { thunderFunds } from '../../src/payouts/rails/thunder/funds-rail.ts'
import { reconciler } from '../../src/payouts/reconcile-store.ts'
import type { Reconciler } from '../../src/payouts/reconciler.ts'
import { settledWithdrawals } from '../../src/payouts/withdrawal-store.ts'
import { THUNDER } from '../payouts/chain-enforcer.ts'
import { HOUR_MS, OPTIONS, POLICY, WALLET } from '../payouts/l1-world.ts'
import { FEE, FINALITY, type ThunderScene, type ThunderWorld } from '../payouts/thunder-world.ts'
import { AGREES } from '../payouts/two-wallets.ts'

const log = createLog('test', 'silent')
const NO_LIMITS = { perBatch: null, perDay: null, perDestinationPerDay: null }

/** A pool on Thunder whose hot wallet on the main chain takes withdrawals. */
export type WithdrawalWorld = {
  readonly parts: OwnBatchParts
  /** Plans a withdrawal, as an operator asks for it. */
  readonly plan: (amount: Sats) => Promise<BatchId>
  /** One run of what follows them. */
  readonly follow: () => Promise<void>
  /** The only one, as it was last seen. */
  readonly seen: () => Promise<Withdrawal | undefined>
  /** The comparison of the main chain's wallet. */
  readonly onMain: Reconciler
  /** Expects books, wallet and Thunder to agree now, and nothing in the wallet to be foreign. */
  readonly agree: () => Promise<void>
  /** In satoshis. */
  readonly held: () => Promise<{ thunder: bigint; transit: bigint; main: bigint; fees: bigint }>
}

export async function withdrawing(
  scene: ThunderScene,
  world: ThunderWorld,
): Promise<WithdrawalWorld> {
  const { sidechain, client, addresses } = scene
  const { db, clock } = world
  const rpc = connectNode(sidechain.node.rpc)
  const wallet = walletClient(rpc, WALLET)
  // What earlier tests were paid is foreign to the books of this one.
  const strange = (await wallet.unspent(1)).reduce((sum, { value }) => sum + value, 0n)
  const enforcer = enforcerClient({ grpcUrl: sidechain.urls.enforcerUrl })
  const complaint = async () => null
  const funds = thunderFunds({
    ...{ db, clock, client, complaint, node: bitcoindClient(rpc) },
    options: { addresses, fee: FEE, floatCap: null },
  })
  const wallets = [{ wallet: 'hot' as const, client: wallet }]
  const parts: OwnBatchParts = {
    ...{ db, clock, log, wallets, rail: 'l1', expiresAfterMs: HOUR_MS, ...OPTIONS },
    depositAddress: null,
    channelAddress: null,
    thunder: { funds, fee: FEE },
    rules: () => ({ version: POLICY.version, limits: NO_LIMITS, allowList: null }),
    frozen: async () => null,
  }
  const follower: WithdrawalParts = {
    ...{ db, clock, log, finality: FINALITY },
    view: {
      outputs: withdrawalOutputs({
        ...{ thunder: client, enforcer },
        tip: thunderView(client, wallet).tip,
      }),
      payouts: asked => bundlePayouts(wallet, { ...THUNDER, network: 'regtest' }, asked),
      depthOf: wallet.knownDepthOf,
    },
    departed: () => settledWithdrawals(db),
    noteCoin: (tx, { address, ...coin }, at) => {
      const place = { wallet: 'hot', origin: 'withdrawal' } as const
      const script = addressScript(address, 'regtest')
      return noteCoins(tx, [{ ...coin, ...place, script }], at)
    },
  }
  const onMain = reconciler({
    ...{ db, clock, log, wallets, complaint, network: 'regtest', rail: 'l1' },
    finality: FINALITY,
    scriptOf: address => addressScript(address, 'regtest'),
  })
  return {
    ...{ parts, onMain },
    plan: async amount => {
      const asker = { kind: 'operator', alias: 'dave' } as const
      const outcome = await planOwnBatch(parts, { kind: 'withdrawal', amount }, asker)
      if (outcome.kind !== 'planned') throw new Error(outcome.reason)
      return outcome.batch
    },
    follow: () => followWithdrawals(follower),
    seen: async () => (await listWithdrawals(db))[0],
    agree: async () => {
      expect(await world.reconciler.run()).toEqual(AGREES)
      expect(await onMain.run()).toEqual(AGREES)
      const foreign = db
        .selectFrom('float_checks')
        .select(['rail', 'foreign_sats'])
        .orderBy('rail', 'desc')
      expect(await foreign.execute()).toEqual([
        { rail: 'thunder', foreign_sats: 0n },
        { rail: 'l1', foreign_sats: strange },
      ])
    },
    held: async () => {
      const rows = await db
        .selectFrom('ledger_balances')
        .innerJoin('ledger_accounts', 'ledger_accounts.id', 'ledger_balances.account_id')
        .select(['name', 'amount_msat'])
        .execute()
      const of = (name: string) => (rows.find(row => row.name === name)?.amount_msat ?? 0n) / 1000n
      return {
        thunder: of('asset:thunder'),
        transit: of('asset:thunder_withdrawal'),
        main: of('asset:l1'),
        fees: of('expense:fee_l1'),
      }
    },
  }
}
