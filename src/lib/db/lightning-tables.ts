import type { Generated } from 'kysely'
import type { Id } from './columns.ts'

/** What payouts over Lightning write: migrations 0010, 0014 and 0015. */
export type LightningTables = {
  ln_attempts: {
    batch_id: bigint
    payee: number
    n: number
    payment_hash: string
    invoice: string
    node_key: string
    amount_msat: bigint
    expires_ms: bigint
    state: AttemptState
    calls: Generated<number>
    gone_ms: bigint | null
    on_way_ms: bigint | null
    held_ms: bigint | null
    preimage: string | null
    fee_msat: bigint | null
    reason: Generated<string>
    created_ms: bigint
    ended_ms: bigint | null
  }
  ln_nodes: {
    node_key: string
    payment_index: bigint
    seen_ms: bigint
    forgot_ms: bigint | null
  }
  uploaded_invoices: {
    id: Id
    account_id: bigint
    number: number
    payment_hash: string
    invoice: string
    amount_sats: bigint
    proof: 'bip322' | 'legacy' | 'ed25519'
    message: string
    signature: string
    uploaded_ms: bigint
    pays_from_ms: bigint
    lapses_ms: bigint
    payout_id: bigint | null
    ended_ms: bigint | null
  }
}

/** How far one invoice has come. */
export type AttemptState = 'prepared' | 'called' | 'settled' | 'dead'
