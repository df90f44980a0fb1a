import type { Kysely } from 'kysely'
import type { SpendPolicy } from '../../../approval/index.ts'
import type { Network } from '../../../lib/bitcoin/network.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { Sats } from '../../../lib/money.ts'
import type { LndClient } from '../../../lib/nodes/lnd-client.ts'
import type { Clock } from '../../../lib/time.ts'
import type { LightningSigner } from './signer.ts'

export type LightningOptions = {
  readonly network: Network
  /** What one payment may cost at most: so much, and so many millionths of its amount. */
  readonly feeMax: { readonly base: Sats; readonly ppm: bigint }
}

/** What the rail over Lightning works with. */
export type LightningParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  /** By a macaroon that can only look. */
  readonly client: LndClient
  readonly signer: LightningSigner
  readonly options: LightningOptions
  /** The rules in force now. */
  readonly policy: () => Promise<SpendPolicy>
}
