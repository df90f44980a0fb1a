import type { SpendPolicy } from '../approval/index.ts'
import type { Config } from '../config.ts'
import { unreachable } from '../lib/assert.ts'
import { connectNode } from '../lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../lib/nodes/bitcoind-client.ts'
import { type ThunderClient, thunderClient } from '../lib/nodes/thunder-client.ts'
import {
  chainsOf,
  type Rail,
  type Reconciler,
  type SignerClient,
  type ThunderCapitalParts,
  type ThunderOptions,
  type ThunderSigner,
  type ThunderWatch,
  thunderFunds,
  thunderHostSigner,
  thunderNodeSigner,
  thunderRail,
  thunderReconciler,
  type WalletClient,
  type WithdrawalSource,
  walletClient,
} from '../payouts/index.ts'
import { CommandError } from './command.ts'
import { l1Complaint } from './l1-wallets.ts'
import type { Setting } from './role.ts'

type ThunderConfig = NonNullable<Config['rails']['thunder']>

/** The Thunder node that the configuration names. */
export function thunderNode({ network }: Config, thunder: ThunderConfig): ThunderClient {
  const { publicUrl, privateUrl, authorization } = thunder
  return thunderClient({ publicUrl, privateUrl, authorization, network })
}

/** The rail on Thunder and what compares its coins with the books; null where there is none. */
export function thunderParts(
  setting: Setting,
  signer: SignerClient | null,
  policy: () => Promise<SpendPolicy>,
): { readonly rail: Rail; readonly floats: Reconciler } | null {
  const { config, db, clock, log } = setting
  const { thunder } = config.rails
  if (!thunder) return null
  const client = thunderNode(config, thunder)
  const options = thunderOptions(config, thunder)
  const watch: ThunderWatch = {
    client,
    node: bitcoindClient(connectNode(config.node)),
    complaint: l1Complaint(setting),
  }
  const signedBy = signerOf(setting, options, { client, signer, kind: thunder.signer.kind })
  const { isOurs } = mainWallet(config)
  return {
    rail: thunderRail({ ...watch, db, clock, policy, options, signer: signedBy, isOurs }),
    floats: thunderReconciler({
      ...{ db, clock, log, network: config.network, client },
      addresses: options.addresses,
      complaint: chainsOf(watch).complaint,
    }),
  }
}

/** What books the owner's coins on Thunder, and lost ones. @throws where there is no such rail */
export function thunderCapital(
  setting: Pick<Setting, 'config' | 'db' | 'clock'>,
): ThunderCapitalParts {
  const { config, db, clock } = setting
  const { thunder } = config.rails
  if (!thunder) throw new CommandError('the configuration has no rails.thunder')
  const { addresses, finality } = thunderOptions(config, thunder)
  return {
    ...{ db, clock, addresses, finality, client: thunderNode(config, thunder) },
    node: bitcoindClient(connectNode(config.node)),
    complaint: l1Complaint(setting),
  }
}

/**
 * What withdrawals are planned with; null where there is no bridge to Thunder, since nobody would
 * follow them.
 */
export function withdrawalSource(setting: Setting): WithdrawalSource | null {
  const { config, db, clock } = setting
  const { thunder } = config.rails
  if (!thunder || !config.bridges?.thunder) return null
  const options = thunderOptions(config, thunder)
  const funds = thunderFunds({
    ...{ db, clock, options, client: thunderNode(config, thunder) },
    node: bitcoindClient(connectNode(config.node)),
    complaint: l1Complaint(setting),
  })
  return { funds, fee: options.fee }
}

/** Where withdrawals go: the wallet that pays on the main chain. */
function mainWallet({ node, rails }: Config): WalletClient {
  return walletClient(connectNode(node), rails.l1.hot.wallet)
}

function thunderOptions({ network }: Config, thunder: ThunderConfig): ThunderOptions {
  const { addresses, feeSats, finalityDepth, signer } = thunder
  const floatCap = signer.kind === 'node' ? signer.floatCapSats : null
  return { network, addresses, fee: feeSats, finality: finalityDepth, floatCap }
}

function signerOf(
  { config, db, clock }: Setting,
  options: ThunderOptions,
  {
    client,
    signer,
    kind,
  }: {
    readonly client: ThunderClient
    readonly signer: SignerClient | null
    readonly kind: ThunderConfig['signer']['kind']
  },
): ThunderSigner {
  switch (kind) {
    case 'node':
      return thunderNodeSigner(client, options)
    case 'host':
      if (signer === null) throw new CommandError('rails.thunder.signer: no signer is configured')
      return thunderHostSigner({
        ...{ db, client: signer, clock },
        receivingIndex: mainWallet(config).receivingIndex,
      })
    default:
      return unreachable(kind)
  }
}
