import {
  type FreezeWithLifts,
  freezeActHash,
  NO_HEAD,
  type SignerHead,
  type Spent,
} from '../approval/index.ts'
import { unreachable } from '../lib/assert.ts'
import type { Digest, Txid, UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { draftOf, type LightningMemory, NO_LIGHTNING } from './lightning-memory.ts'
import { type ChainedEntry, entryAfter } from './memory-entry.ts'

const DAY_MS = 86_400_000

/** A memory cannot be used: it is missing, broken, another's, or cannot be written now. */
export class MemoryTrouble extends Error {
  override readonly name = 'MemoryTrouble'
}

/** What the signer knows of a batch that it has signed. */
export type SignedBatch = {
  readonly manifest: Digest
  readonly anchor: { readonly txid: Txid; readonly vout: number }
  /** Of every version that was signed. */
  readonly txids: ReadonlySet<Txid>
}

type Spend = {
  readonly at: UnixMs
  readonly amount: Sats
  readonly by: 'operators' | 'pool'
  readonly payees: readonly { readonly destination: string; readonly amountSats: Sats }[]
}

/** All that a signer must not forget. Every figure follows from the entries alone. */
export type Memory = {
  readonly network: string | null
  readonly head: SignerHead
  /** The latest time of any entry: no time before it is believed. */
  readonly latest: UnixMs | null
  /** The hash at each position, and of each foreign head that an approver confirmed. */
  readonly heads: ReadonlyMap<number, Digest>
  readonly batches: ReadonlyMap<string, SignedBatch>
  /** Manifests that will never be signed, with the time of that word. */
  readonly closed: ReadonlyMap<Digest, UnixMs>
  /** Oldest first; what is older than a day before the latest is forgotten. */
  readonly spends: readonly Spend[]
  readonly freezes: readonly FreezeWithLifts[]
  readonly lightning: LightningMemory
}

export const EMPTY_MEMORY: Memory = {
  network: null,
  head: NO_HEAD,
  latest: null,
  heads: new Map(),
  batches: new Map(),
  closed: new Map(),
  spends: [],
  freezes: [],
  lightning: NO_LIGHTNING,
}

/** What became of entries that were added to a memory. */
export type Remembered =
  | { readonly kind: 'memory'; readonly memory: Memory }
  /** They do not follow, each on the one before. */
  | { readonly kind: 'broken'; readonly position: number }

/** Folds further entries into a memory. Many at once cost no more than one. */
export function remember(memory: Memory, entries: readonly ChainedEntry[]): Remembered {
  const heads = new Map(memory.heads)
  const batches = new Map(memory.batches)
  const closed = new Map(memory.closed)
  let { network, head, latest } = memory
  const spends = [...memory.spends]
  let { freezes } = memory
  const lightning = draftOf(memory.lightning)
  /** Coins and Lightning share the numbers, and a batch that was closed is never begun. */
  const isNew = (batch: string, manifest: Digest) =>
    !batches.has(batch) && !lightning.hasNumber(batch) && !closed.has(manifest)
  for (const { entry, hash } of entries) {
    const { event, at, position } = entry
    const isFirst = head.position === 0
    const follows = entry.before === head.hash && position === entryAfter(head, event, at).position
    if (!follows || (event.kind === 'started') !== isFirst || at < (latest ?? at))
      return { kind: 'broken', position }
    latest = at
    head = { position, hash }
    heads.set(position, hash)
    switch (event.kind) {
      case 'started':
        network = event.network
        break
      case 'batch': {
        const { manifest, anchor, txid, by, spendSats, payees } = event
        if (!isNew(event.batch, manifest)) return { kind: 'broken', position }
        batches.set(event.batch, { manifest, anchor, txids: new Set([txid]) })
        spends.push({ at, amount: spendSats, by, payees })
        break
      }
      case 'version': {
        const batch = batches.get(event.batch)
        if (batch === undefined) return { kind: 'broken', position }
        batches.set(event.batch, { ...batch, txids: new Set([...batch.txids, event.txid]) })
        break
      }
      case 'closed':
        closed.set(event.manifest, at)
        break
      case 'confirmed':
        heads.set(event.pool.position, event.pool.hash)
        break
      case 'freeze': {
        const { signature: _signature, ...freeze } = event
        freezes = [...freezes, { freeze, lifts: [] }]
        break
      }
      case 'unfreeze': {
        const { signature: _signature, ...lift } = event
        freezes = freezes.map(each =>
          freezeActHash(each.freeze) === lift.freeze
            ? { ...each, lifts: [...each.lifts, lift] }
            : each,
        )
        break
      }
      case 'ln batch': {
        const { batch, manifest, by, spendSats, payees } = event
        if (!isNew(batch, manifest) || !lightning.add(event, at))
          return { kind: 'broken', position }
        spends.push({ at, amount: spendSats, by, payees })
        break
      }
      case 'ln invoices':
      case 'ln calls':
      case 'ln paid':
      case 'ln ended':
        if (!lightning.add(event, at)) return { kind: 'broken', position }
        break
      default:
        unreachable(event)
    }
  }
  const recent = spends.filter(({ at }) => at + DAY_MS > (latest ?? at))
  return {
    kind: 'memory',
    memory: {
      ...{ network, head, latest, heads, batches, closed, freezes },
      ...{ spends: recent, lightning: lightning.done() },
    },
  }
}

/** What left in the 24 hours before an instant: by signature, whether or not it ever confirmed. */
export function spentBefore({ spends }: Memory, now: UnixMs): Spent {
  const recent = spends.filter(({ at }) => at + DAY_MS > now)
  const byDestination = new Map<string, Sats>()
  for (const { destination, amountSats } of recent.flatMap(({ payees }) => payees))
    byDestination.set(destination, sats((byDestination.get(destination) ?? 0n) + amountSats))
  return {
    day: sum(recent),
    autoDay: sum(recent.filter(({ by }) => by === 'pool')),
    byDestination,
  }
}

/** The manifest by which a batch's number is known; null where nothing of it ever left. */
export function manifestOf({ batches, lightning }: Memory, batch: string): Digest | null {
  return batches.get(batch)?.manifest ?? lightning.numbers.get(batch) ?? null
}

/** How many manifests were closed in the 24 hours before an instant. */
export function closedBefore({ closed }: Memory, now: UnixMs): number {
  return [...closed.values()].filter(at => at + DAY_MS > now).length
}

/**
 * Whether this memory holds the newest head that a pool has on record. A pool may be behind, where
 * a reply was lost; it is ahead, or elsewhere, only when this memory is an old copy or another's.
 */
export function knowsHead({ heads }: Memory, head: SignerHead | null): boolean {
  return head === null || heads.get(head.position) === head.hash
}

function sum(spends: readonly Spend[]): Sats {
  return sats(spends.reduce((total, { amount }) => total + amount, 0n))
}
