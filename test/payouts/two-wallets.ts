import { expect } from 'vitest'
import { balancesOf, chartAccount, postEntries } from '../../src/ledger/index.ts'
import { type BatchId, journalKey } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import {
  type Asker,
  type OwnBatchParts,
  type OwnWish,
  planOwnBatch,
} from '../../src/payouts/own-batch-store.ts'
import type { Rail } from '../../src/payouts/rail.ts'
import { openCoins } from '../../src/payouts/rails/l1/coin-store.ts'
import { addressScript } from '../../src/payouts/rails/l1/destination.ts'
import { chainWatch } from '../../src/payouts/rails/l1/evidence-client.ts'
import type { L1Options, Sidechain, WalletChoice } from '../../src/payouts/rails/l1/l1-parts.ts'
import { l1Rail } from '../../src/payouts/rails/l1/l1-rail.ts'
import { multisigInputWeight } from '../../src/payouts/rails/l1/multisig.ts'
import { nodeSigner } from '../../src/payouts/rails/l1/node-signer-client.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { reconciler } from '../../src/payouts/reconcile-store.ts'
import type { Reconciler } from '../../src/payouts/reconciler.ts'
import type { NodeCalls } from '../support/bitcoind.ts'
import { FINALITY, HOUR_MS, OPTIONS, POLICY, WALLET, type World } from './l1-world.ts'

const NO_LIMITS = { perBatch: null, perDay: null, perDestinationPerDay: null }
const PLAN = { kind: 'plan' } as const
/** What a comparison says where the books are right. */
export const AGREES = { kind: 'compared', findings: [] }

/** A world whose rail has a second wallet, with what plans own batches and compares the books. */
export type TwoWallets = {
  readonly rail: Rail
  readonly parts: OwnBatchParts
  readonly floats: Reconciler
  /** Plans an own batch and gives its id. */
  readonly planned: (wish: OwnWish, asker?: Asker) => Promise<BatchId>
  /** One run of the job that takes batches further, on this rail. */
  readonly advance: () => Promise<void>
  /** Expects books and wallets to agree now. */
  readonly agree: () => Promise<void>
}

/** @param cold how the cold wallet is called and signed for; by the node unless told otherwise */
export function twoWallets(
  world: World,
  node: Pick<NodeCalls, 'rpc'>,
  given: {
    readonly cold?: WalletChoice
    readonly options?: Partial<L1Options>
    readonly allowList?: ReadonlySet<string>
    readonly sidechain?: Sidechain
    /** Of our lnd's wallet. */
    readonly channelAddress?: string
  } = {},
): TwoWallets {
  const { db, clock } = world
  const rpc = connectNode(node.rpc)
  const options = { ...OPTIONS, ...given.options }
  const ofNode = (name: string) => ({
    name,
    signer: nodeSigner(rpc, name, options),
    multisig: null,
  })
  const hot = ofNode(WALLET)
  const cold = given.cold ?? ofNode('cold')
  const { allowList = null, sidechain = null, channelAddress = null } = given
  const policy = async () => ({ ...POLICY, allowList })
  const rail = l1Rail({
    db,
    node: rpc,
    clock,
    policy,
    options,
    hot,
    cold,
    sidechain,
    channelAddress,
  })
  const clientOf = ({ name, multisig }: Pick<WalletChoice, 'name' | 'multisig'>) =>
    walletClient(rpc, name, multisig && multisigInputWeight(multisig))
  const wallets = [
    { wallet: 'hot' as const, client: walletClient(rpc, WALLET) },
    { wallet: 'cold' as const, client: clientOf(cold) },
  ]
  const log = createLog('test', 'silent')
  const complaint = chainWatch({ db, clock }, walletClient(rpc, WALLET), 'regtest')
  const parts: OwnBatchParts = {
    ...{ db, clock, log, wallets, rail: 'l1', expiresAfterMs: HOUR_MS },
    channelAddress,
    depositAddress: [...(sidechain?.addresses ?? [])][0] ?? null,
    thunder: null,
    ...options,
    rules: () => ({ version: POLICY.version, limits: NO_LIMITS, allowList }),
    frozen: async () => null,
  }
  const floats = reconciler({
    ...{ db, clock, log, wallets, complaint, network: 'regtest', rail: 'l1' },
    finality: FINALITY,
    scriptOf: address => addressScript(address, 'regtest'),
  })
  return {
    ...{ rail, parts, floats },
    planned: async (wish, asker = PLAN) => {
      const outcome = await planOwnBatch(parts, wish, asker)
      if (outcome.kind !== 'planned') throw new Error(outcome.reason)
      return outcome.batch
    },
    advance: () => world.advance({ rail }),
    agree: async () => expect(await floats.run()).toEqual(AGREES),
  }
}

/** Makes the ledger hold what the noted coins of the hot wallet are worth. */
export async function balanceBooks({ db, clock }: World): Promise<void> {
  const float = chartAccount('l1Float')
  const held = (await balancesOf(db, [float])).get(float) ?? 0n
  const coins = (await openCoins(db))
    .filter(({ wallet }) => wallet === 'hot')
    .reduce((sum, { value }) => sum + value, 0n)
  const missing = coins * 1000n - held
  if (missing === 0n) return
  const entry = {
    key: journalKey('test:balanced'),
    event: 'capital',
    legs: [
      { account: float, amount: millisats(missing) },
      { account: chartAccount('treasuryCapital'), amount: millisats(-missing) },
    ],
    at: clock.now(),
  }
  await db.transaction().execute(tx => postEntries(tx, [entry]))
}

/** What is in the ledger, in satoshis. */
export async function booked({ balances }: World) {
  const all = await balances()
  const of = (name: string) => sats((all[name] ?? 0n) / 1000n)
  return {
    hot: of('asset:l1'),
    cold: of('asset:l1_cold'),
    out: of('asset:l1_out_unconfirmed'),
    fee: of('expense:fee_l1'),
  }
}
