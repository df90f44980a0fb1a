import type { ColumnType, Generated } from 'kysely'
import type { Bytes, Id } from './columns.ts'

/** What treasury writes: migrations/0004_treasury.sql, and approvals of 0003. */
export type TreasuryTables = {
  approvals: {
    batch_id: bigint
    operator_key: string
    act: 'approve' | 'reject'
    manifest_hash: string
    reason: string
    signature: Bytes
    given_ms: bigint
    type: Generated<'bip340'>
  }
  operators: {
    id: Id
    alias: string
    roles: OperatorRole[]
    created_ms: bigint
    removed_ms: bigint | null
  }
  operator_keys: {
    key: string
    operator_id: bigint
    type: Generated<'bip340'>
    created_ms: bigint
    not_after_ms: bigint
    revoked_ms: bigint | null
  }
  operator_acts: {
    serial: bigint
    bytes: Bytes
    hash: string
    operator_key: string
    signature: Bytes
    given_ms: bigint
  }
  access_tokens: {
    id: Id
    operator_id: bigint
    operator_key: string
    digest: string
    scopes: TokenScope[]
    created_ms: bigint
    expires_ms: bigint
    revoked_ms: bigint | null
  }
  first_admin_tokens: {
    digest: string
    created_ms: bigint
    expires_ms: bigint
    used_ms: bigint | null
  }
  auth_failures: {
    subject: string
    failures: number
    since_ms: bigint
    locked_until_ms: bigint | null
  }
  policies: { version: number; bytes: Bytes; hash: string; created_ms: bigint }
  freeze_acts: {
    id: Id
    act: 'freeze' | 'unfreeze'
    lifts_id: bigint | null
    scope: string
    operator_key: string | null
    reason: string
    signature: Bytes | null
    given_ms: bigint
    hash: string
  }
  audit_events: {
    position: bigint
    at_ms: bigint
    actor: string
    action: string
    subject: string
    /** Written as JSON text. */
    detail: ColumnType<unknown, string, never>
    bytes: Bytes
    hash: string
  }
  signer_heads: { position: bigint; hash: string; seen_ms: bigint }
}

/** What an operator may do; approval/policy.ts says what each allows. */
export type OperatorRole = 'viewer' | 'operator' | 'approver' | 'admin'
/** What a bearer token opens; no token approves. */
export type TokenScope = 'read' | 'create' | 'operators'
