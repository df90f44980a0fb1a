import type { Kysely } from 'kysely'
import type { SpendPolicy } from '../../../approval/index.ts'
import { chartAccount } from '../../../ledger/index.ts'
import { assert } from '../../../lib/assert.ts'
import type { Treasury } from '../../../lib/bitcoin/drivechain.ts'
import type { Network } from '../../../lib/bitcoin/network.ts'
import type { Database, Wallet } from '../../../lib/db/schema.ts'
import type { Sats } from '../../../lib/money.ts'
import type { NodeRpc } from '../../../lib/nodes/bitcoin-core-client.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import type { Clock } from '../../../lib/time.ts'
import type { RailBooks } from '../../rail.ts'
import type { TreasuryView } from './deposit.ts'
import type { Multisig } from './multisig.ts'
import type { L1Signer } from './signer.ts'
import type { WalletClient } from './wallet-client.ts'

/** Configuration of the rail; fee rates are in satoshis a thousand virtual bytes. */
export type L1Options = {
  readonly network: Network
  readonly feeRateMin: Sats
  /** Operators approve at most this rate; above it a batch waits. */
  readonly feeRateMax: Sats
  /** Blocks within which a batch should confirm. */
  readonly confirmWithin: number
  /** Confirmations after which a payment, a coin to spend, or a foreign spend of an anchor is final. */
  readonly finality: number
  /** Blocks that a version has to confirm in before a dearer one replaces it. */
  readonly bumpAfterBlocks: number
  /**
   * What the hot wallet may hold, where it is the node that signs: it asks nobody, so this bounds
   * the loss, and the rail pays nothing while it holds more. Null where the signer asks.
   */
  readonly floatCap: Sats | null
}

/** A wallet of ours on the node, native segwit and loaded at its start, and who signs for it. */
export type WalletChoice = {
  readonly name: string
  readonly signer: L1Signer
  /** What its coins ask for where several people hold its keys; null where one key is enough. */
  readonly multisig: Multisig | null
}

/** The sidechain that deposits go to. */
export type Sidechain = Treasury & {
  /** Our own there; nothing is deposited to any other. */
  readonly addresses: ReadonlySet<ThunderAddress>
  /** The coin that a deposit spends now. Node trouble is thrown. */
  readonly treasury: () => Promise<TreasuryView>
}

export type L1Parts = {
  readonly db: Kysely<Database>
  readonly node: NodeRpc
  readonly clock: Clock
  /** The rules with the people of this moment. */
  readonly policy: () => Promise<SpendPolicy>
  readonly options: L1Options
  readonly hot: WalletChoice
  /** Where most of the money is, with its keys elsewhere; null where there is only one wallet. */
  readonly cold: WalletChoice | null
  /** Null where nothing is deposited. */
  readonly sidechain: Sidechain | null
  /** Of our lnd's own wallet, where channels are filled from; null where none are. */
  readonly channelAddress: string | null
}

/** Where the money on the main chain stands in the ledger. */
export const L1_BOOKS: RailBooks = {
  float: chartAccount('l1Float'),
  cold: chartAccount('l1Cold'),
  out: chartAccount('l1Unconfirmed'),
  transit: { deposit: chartAccount('thunderTransit'), channel: chartAccount('lightningTransit') },
  fee: chartAccount('feeL1'),
}

/** A wallet with its client. */
export type OpenWallet = {
  readonly client: WalletClient
  readonly signer: L1Signer
  /** Of an input where the wallet is a multisig, or null. */
  readonly multisigWeight: number | null
}

/** What every part of the rail works with. */
export type Parts = Pick<
  L1Parts,
  'db' | 'clock' | 'policy' | 'options' | 'sidechain' | 'channelAddress'
> & {
  readonly hot: OpenWallet
  readonly cold: OpenWallet | null
  /** Why the node's chain decides nothing now, or null. */
  readonly complaint: () => Promise<string | null>
}

/** The sidechain that a deposit of this batch goes to. */
export function sidechainOf({ sidechain }: Pick<Parts, 'sidechain'>): Sidechain {
  assert(sidechain !== null, 'a deposit is planned where there is a sidechain')
  return sidechain
}

/** The wallet that a batch's coins are of. */
export function walletOf(
  { hot, cold }: Parts,
  { wallet }: { readonly wallet: Wallet },
): OpenWallet {
  const chosen = wallet === 'hot' ? hot : cold
  assert(chosen !== null, 'a batch of the cold wallet is planned where there is one')
  return chosen
}
