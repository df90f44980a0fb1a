import { assert } from './assert.ts'

declare const unit: unique symbol
type Brand<T, Name extends string> = T & { readonly [unit]: Name }

/** A block's hash as people write it: 64 lower-case hex digits, most significant byte first. */
export type BlockHash = Brand<string, 'block hash'>
/** A transaction's id as people write it: 64 lower-case hex digits, display order. */
export type Txid = Brand<string, 'txid'>
/** SHA-256 of canonical bytes (a statement, a manifest, a journal block): 64 lower-case hex digits. */
export type Digest = Brand<string, 'digest'>
/** SHA-256 of a preimage, which names a payment over Lightning: 64 lower-case hex digits. */
export type PaymentHash = Brand<string, 'payment hash'>
/** What only a payment's receiver knows, until it was paid: 64 lower-case hex digits. */
export type Preimage = Brand<string, 'preimage'>
/** A row of `payees`: a payout destination in canonical form. */
export type PayeeId = Brand<bigint, 'payee'>
/** A row of `accounts`: payee × scheme. */
export type AccountId = Brand<bigint, 'account'>
/** A row of `workers`: a name under an account. */
export type WorkerId = Brand<bigint, 'worker'>
/** A row of `sessions`: one extranonce1 lease, which a coinbase names. */
export type SessionId = Brand<bigint, 'session'>
/** A row of `jobs`. On the wire it is written in hex. */
export type JobId = Brand<bigint, 'job'>
/** One sequence for the whole pool, without gaps, from 1. */
export type EpochId = Brand<bigint, 'epoch'>
/** A row of `batches`. */
export type BatchId = Brand<bigint, 'batch'>
/** A row of `payouts`. */
export type PayoutId = Brand<bigint, 'payout'>
/** What a journal entry is for, for example `credit:reward-42`; a repeat is recognised by it. */
export type JournalKey = Brand<string, 'journal key'>
/** Milliseconds since 1970 UTC, an integer. */
export type UnixMs = Brand<number, 'unix ms'>

const HEX_64 = /^[0-9a-f]{64}$/
const KEY = /^[a-z0-9:./_-]{1,200}$/

function hex64(text: string, what: string): string {
  assert(HEX_64.test(text), `${what} is 64 lower-case hex digits`)
  return text
}

function positive(id: bigint, what: string): bigint {
  assert(id > 0n, `${what} id is positive`)
  return id
}

export const blockHash = (hex: string) => hex64(hex, 'a block hash') as BlockHash
export const txid = (hex: string) => hex64(hex, 'a txid') as Txid
export const digest = (hex: string) => hex64(hex, 'a digest') as Digest
export const paymentHash = (hex: string) => hex64(hex, 'a payment hash') as PaymentHash
export const preimage = (hex: string) => hex64(hex, 'a preimage') as Preimage
export const payeeId = (id: bigint) => positive(id, 'payee') as PayeeId
export const accountId = (id: bigint) => positive(id, 'account') as AccountId
export const workerId = (id: bigint) => positive(id, 'worker') as WorkerId
export const sessionId = (id: bigint) => positive(id, 'session') as SessionId
export const jobId = (id: bigint) => positive(id, 'job') as JobId
export const epochId = (id: bigint) => positive(id, 'epoch') as EpochId
export const batchId = (id: bigint) => positive(id, 'batch') as BatchId
export const payoutId = (id: bigint) => positive(id, 'payout') as PayoutId

/** @param text lower-case letters, digits and `:./_-`, at most 200 of them */
export function journalKey(text: string): JournalKey {
  assert(KEY.test(text), 'a journal key is short, lower-case and plain')
  return text as JournalKey
}

/** @param ms a safe integer, not negative */
export function unixMs(ms: number): UnixMs {
  assert(Number.isSafeInteger(ms) && ms >= 0, 'a time is whole milliseconds since 1970')
  return ms as UnixMs
}
