import type { Config } from '../config.ts'
import { unreachable } from '../lib/assert.ts'
import { NETWORK_FACTS } from '../lib/bitcoin/network.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import {
  chainWatch,
  cosigners,
  type FloatWallet,
  hostSigner,
  type L1Options,
  type L1Parts,
  type L1Signer,
  type Multisig,
  multisigInputWeight,
  nodeSigner,
  type OwnBatchParts,
  type OwnBatchRules,
  type SignerClient,
  signersTogether,
  walletClient,
} from '../payouts/index.ts'
import type { SpendRules } from '../treasury/index.ts'
import { CommandError } from './command.ts'
import type { Setting } from './role.ts'

const MS_PER_HOUR = 3_600_000

/** The pool's own wallets on its node: the float that pays, and the store where there is one. */
export function l1Wallets({ node, rails }: Config): readonly FloatWallet[] {
  const { hot, cold } = rails.l1
  const clientOf = ({ wallet, multisig }: { wallet: string; multisig?: Multisig | undefined }) =>
    walletClient(connectNode(node), wallet, multisig ? multisigInputWeight(multisig) : null)
  const wallets: FloatWallet[] = [{ wallet: 'hot', client: clientOf(hot) }]
  if (cold !== null) wallets.push({ wallet: 'cold', client: clientOf(cold) })
  return wallets
}

/** What books the owner's coins on the main chain, and lost ones. */
export function l1CapitalOf(config: Config) {
  return { wallets: l1Wallets(config), finality: config.rails.l1.finalityDepth }
}

/** What the configuration says of the main chain's rail. */
export function l1OptionsOf({ network, rails: { l1 } }: Config): L1Options {
  return {
    network,
    feeRateMin: l1.feeFloorSatPerKvb,
    feeRateMax: l1.feeCeilingSatPerKvb,
    confirmWithin: l1.confirmationTarget,
    finality: l1.finalityDepth,
    bumpAfterBlocks: l1.bumpAfterBlocks,
    floatCap: l1.hot.signer.kind === 'node' ? l1.hot.signer.floatCapSats : null,
  }
}

/**
 * What planning batches of our own takes.
 *
 * @param frozen why the rail moves nothing now, or null
 * @param thunder what withdrawals are planned with; null where none are
 */
export function ownBatchPartsOf(
  { config, db, clock, log }: Setting,
  rules: SpendRules,
  frozen: (rail: string) => Promise<string | null>,
  thunder: OwnBatchParts['thunder'],
): OwnBatchParts {
  return {
    ...{ db, clock, log, rail: 'l1', frozen, thunder, ...l1OptionsOf(config) },
    depositAddress: config.bridges?.thunder ? (config.rails.thunder?.addresses[0] ?? null) : null,
    channelAddress: config.bridges?.lightning?.address ?? null,
    wallets: l1Wallets(config),
    expiresAfterMs: config.treasury.approvalExpiryHours * MS_PER_HOUR,
    rules: () => rules,
  }
}

/** When batches that pay only ourselves are planned by themselves. */
export function ownBatchRulesOf({ rails: { l1 } }: Config): OwnBatchRules {
  const { hot, cold, consolidate } = l1
  const cap = hot.signer.kind === 'node' ? hot.signer.floatCapSats : null
  return {
    float: cold && { low: cold.lowSats, target: cold.targetSats, cap },
    consolidate: consolidate && {
      coinsOver: consolidate.coinsOver,
      feeRateMax: consolidate.feeRateMaxSatPerKvb,
    },
  }
}

/** Asks why the node's chain decides nothing now; null where it can be believed. */
export function l1Complaint({
  config,
  db,
  clock,
}: Pick<Setting, 'config' | 'db' | 'clock'>): () => Promise<string | null> {
  const { network, node, rails } = config
  const wallet = walletClient(connectNode(node), rails.l1.hot.wallet)
  return chainWatch({ db, clock }, wallet, NETWORK_FACTS[network].chain)
}

/**
 * The rail's wallets with who signs for each. The keys of the cold one are with its co-signers.
 *
 * @param client of the signer host, where the configuration names one
 */
export function l1Signers(
  { config, db, clock }: Setting,
  client: SignerClient | null,
): Pick<L1Parts, 'hot' | 'cold'> {
  const { hot, cold } = config.rails.l1
  const node = connectNode(config.node)
  // One of several keys never speaks for the whole wallet.
  const alone = (host: L1Signer) => (hot.multisig ? signersTogether([host]) : host)
  const signerOf = (): L1Signer => {
    const { kind } = hot.signer
    switch (kind) {
      case 'node':
        return nodeSigner(node, hot.wallet, l1OptionsOf(config))
      case 'host':
        if (client === null) throw new CommandError('rails.l1.hot.signer: no signer is configured')
        return alone(hostSigner({ db, client, node, wallet: hot.wallet, clock }))
      case 'cosigners': {
        const people = cosigners(db)
        if (client === null) return people
        const host = hostSigner({ db, client, node, wallet: hot.wallet, clock })
        return signersTogether([host, people])
      }
      default:
        return unreachable(kind)
    }
  }
  return {
    hot: { name: hot.wallet, signer: signerOf(), multisig: hot.multisig ?? null },
    cold: cold && {
      name: cold.wallet,
      signer: cosigners(db),
      multisig: cold.multisig ?? null,
    },
  }
}
