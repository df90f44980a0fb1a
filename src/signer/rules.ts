import {
  allowingOwn,
  type CoinManifest,
  encodeManifest,
  largestSpend,
  manifestHash,
  type Purpose,
  type SignRequest,
} from '../approval/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { BatchId, Txid } from '../lib/ids.ts'
import { judgeApproved, readManifest } from './approved.ts'
import type { Memory } from './memory.ts'
import type { MemoryEvent } from './memory-entry.ts'
import type { Standing } from './standing.ts'
import { type CheckedThunder, checkThunderTransaction } from './thunder.ts'
import { type CheckedTransaction, checkTransaction } from './transaction.ts'

/**
 * So long after a manifest expired, a batch that was signed before may still get a version with a
 * higher fee. Nodes forget a transaction after 14 days in the mempool; until then the first
 * version may be stuck, and replacing it costs nobody more than was approved: the same coin, the
 * same payees, at most the same fee. Later the old approval is worth nothing any more.
 * Source: Bitcoin Core, DEFAULT_MEMPOOL_EXPIRY_HOURS.
 */
const BUMP_GRACE_MS = 14 * 86_400_000
/** More versions of a batch are refused; a pool that pays makes a few. */
const VERSIONS_MAX = 50
const BRIDGED: ReadonlySet<Purpose> = new Set(['deposit', 'withdrawal', 'channel'])

/** What is to be signed, found good by the rules of its rail. */
export type Checked =
  | { readonly rail: 'l1'; readonly transaction: Extract<CheckedTransaction, { kind: 'good' }> }
  | { readonly rail: 'thunder'; readonly transaction: Extract<CheckedThunder, { kind: 'good' }> }

/** What a request is worth. */
export type Judgement =
  | {
      readonly kind: 'sign'
      readonly batch: BatchId
      readonly wallet: 'hot' | 'cold'
      readonly checked: Checked
      /** To be remembered before the signatures leave; null where it is already. */
      readonly event: MemoryEvent | null
    }
  /** It expired before anything of it was signed, and will never be; null where that is known. */
  | { readonly kind: 'closed'; readonly event: MemoryEvent | null }
  | { readonly kind: 'refused'; readonly reason: string }

/** Judges a request for signatures. Nothing that the pool says is believed. */
export function judgeRequest(standing: Standing, request: SignRequest): Judgement {
  const read = readManifest(standing, request)
  if (read.kind === 'refused') return read
  const { manifest, hash } = read
  if (manifest.version !== 2) return refused('the manifest is of no transaction')
  if (manifest.rail !== request.rail) return refused(`the manifest is of rail ${manifest.rail}`)
  const missing = keyComplaint(standing, manifest) ?? channelComplaint(standing, manifest)
  if (missing !== null) return refused(missing)

  const { memory } = standing
  const known = memory.batches.get(String(manifest.batch))
  // What moves between rails is signed only to an address that this host knows as ours, so no list
  // need name it.
  const policy = BRIDGED.has(manifest.purpose)
    ? allowingOwn(standing.policy, manifest)
    : standing.policy
  const approved = judgeApproved(standing, {
    ...{ manifest, hash, acts: request.acts, policy, graceMs: BUMP_GRACE_MS },
  })
  if (approved.kind !== 'approved') return approved

  const checked = check(standing, request, manifest)
  if (checked.kind === 'refused') return checked
  const { txid } = checked.transaction
  if (known && known.txids.size >= VERSIONS_MAX && !known.txids.has(txid))
    return refused('the batch has too many versions')
  const event = eventOf(memory, manifest, txid, approved.by)
  const { batch, wallet } = manifest
  return { kind: 'sign', batch, wallet, checked, event }
}

function keyComplaint(
  { wallets, thunder }: Standing,
  { rail, wallet }: CoinManifest,
): string | null {
  if (rail === 'thunder') return thunder ? null : 'this host has no keys on Thunder'
  return wallets[wallet] ? null : `this host has no key of the ${wallet} wallet`
}

/** What fills a channel goes to lnd's own wallet, at an address that is pinned here. */
function channelComplaint(
  { channels }: Standing,
  { purpose, payees }: CoinManifest,
): string | null {
  if (purpose !== 'channel') return null
  if (channels === null) return 'this host opens no channels'
  const destination = payees[0]?.destination ?? ''
  return channels.addresses.has(destination) ? null : `${destination} is no address of our lnd`
}

type CheckOutcome = (Checked & { readonly kind: 'good' }) | ReturnType<typeof refused>

function check(standing: Standing, request: SignRequest, manifest: CoinManifest): CheckOutcome {
  switch (request.rail) {
    case 'l1': {
      const wallet = standing.wallets[manifest.wallet]
      assert(wallet !== undefined, 'a batch is judged where its key is')
      const { descriptor } = wallet
      const transaction = checkTransaction(request.psbt, manifest, descriptor, standing.deposits)
      return transaction.kind === 'good' ? { kind: 'good', rail: 'l1', transaction } : transaction
    }
    case 'thunder': {
      assert(standing.thunder !== null, 'a batch is judged where its keys are')
      const ours = { wallet: standing.thunder, home: standing.wallets.hot?.descriptor ?? null }
      const transaction = checkThunderTransaction(request, manifest, ours)
      return transaction.kind === 'good'
        ? { kind: 'good', rail: 'thunder', transaction }
        : transaction
    }
    default:
      return unreachable(request)
  }
}

function refused(reason: string) {
  return { kind: 'refused', reason } as const
}

/** @returns null for a version that was signed before: it gets the same signatures again */
function eventOf(
  memory: Memory,
  manifest: CoinManifest,
  id: Txid,
  by: 'operators' | 'pool',
): MemoryEvent | null {
  const batch = String(manifest.batch)
  const known = memory.batches.get(batch)
  if (known) return known.txids.has(id) ? null : { kind: 'version', batch, txid: id }
  return {
    kind: 'batch',
    batch,
    manifest: manifestHash(encodeManifest(manifest)),
    anchor: manifest.anchor,
    txid: id,
    by,
    spendSats: largestSpend(manifest),
    payees: manifest.payees.map(({ destination, amount }) => ({ destination, amountSats: amount })),
  }
}
