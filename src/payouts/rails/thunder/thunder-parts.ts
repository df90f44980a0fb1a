import type { Kysely } from 'kysely'
import type { SpendPolicy } from '../../../approval/index.ts'
import type { Network } from '../../../lib/bitcoin/network.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { BatchId } from '../../../lib/ids.ts'
import type { Sats } from '../../../lib/money.ts'
import type { BitcoindClient } from '../../../lib/nodes/bitcoind-client.ts'
import type { ThunderClient } from '../../../lib/nodes/thunder-client.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import type { Clock } from '../../../lib/time.ts'
import type { CheckOutcome } from '../../rail.ts'
import type { MainPlace } from './evidence.ts'
import type { SideBlock, SideChain } from './side-chain-client.ts'
import type { ThunderSigner } from './signer.ts'

/** Configuration of the rail. */
export type ThunderOptions = {
  /** Of the main chain; Thunder's own addresses are of every network alike. */
  readonly network: Network
  /** Ours: the first receives deposits, any of them change. */
  readonly addresses: readonly ThunderAddress[]
  /** Of one transaction, whatever its size: Thunder asks for none, and takes each in its turn. */
  readonly fee: Sats
  /** Confirmations of the main block with its M7 from which on a side block counts as final. */
  readonly finality: number
  /**
   * What our addresses may hold where the node signs: it asks nobody, so this bounds the loss, and
   * the rail pays nothing while they hold more. Null where the signer asks.
   */
  readonly floatCap: Sats | null
}

/** What reading the chains takes. */
export type ThunderWatch = {
  readonly client: ThunderClient
  /** Our own node of the main chain, which alone is asked about it. */
  readonly node: BitcoindClient
  /** Why that node's chain decides nothing now, or null. */
  readonly complaint: () => Promise<string | null>
}

export type ThunderParts = ThunderWatch & {
  readonly db: Kysely<Database>
  readonly clock: Clock
  /** The rules with the people of this moment. */
  readonly policy: () => Promise<SpendPolicy>
  readonly options: ThunderOptions
  readonly signer: ThunderSigner
  /** Whether an address of the main chain is of our hot wallet, where withdrawals go. */
  readonly isOurs: (address: string) => Promise<boolean>
}

/** What every part of the rail works with. */
export type Parts = Omit<ThunderParts, 'node' | 'complaint'> & {
  readonly chains: Chains
}

/** Both chains, and whether they can be believed. */
export type Chains = {
  readonly side: SideChain
  /** Where a side block stands by our own node. */
  readonly placeOf: (block: SideBlock) => Promise<MainPlace>
  /** Why neither chain decides anything now: our node, or a Thunder of another era; or null. */
  readonly complaint: () => Promise<string | null>
  /** Why Thunder does not go on by itself, or null. */
  readonly stall: () => Promise<string | null>
}

/** Asks for the evidence of a batch. */
export type Asks = (batch: BatchId) => Promise<CheckOutcome>
