import { z } from 'zod'
import {
  amountSats,
  canonicalJson,
  operatorKey,
  type SignerHead,
  taggedHash,
} from '../approval/index.ts'
import { toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest, txid, unixMs } from '../lib/ids.ts'
import { lightningEvents } from './lightning-events.ts'

/** A line of 1,000 payees takes a tenth of it; a longer one is none of ours. */
export const MEMORY_LINE_BYTES_MAX = 2_000_000

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const hash = hex64.transform(digest)
const time = z.int().min(0).transform(unixMs)
const signature = z.string().regex(/^[0-9a-f]{128}$/)
const head = z.strictObject({ hash, position: z.int().min(0) })

/**
 * What happened, as the signer remembers it. `started` makes a memory, `batch` is a batch's first
 * version, `version` a further one, `closed` ends one that expired before any of it was signed,
 * `confirmed` is an approver's word over a pool's head that this memory does not hold, `freeze` and
 * `unfreeze` are operators' acts. Those that begin with `ln` are of Lightning.
 */
const eventSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('started'), network: z.string(), name: hex64 }),
  z.strictObject({
    kind: z.literal('batch'),
    batch: z.string().regex(/^[1-9]\d{0,18}$/),
    manifest: hash,
    anchor: z.strictObject({ txid: hex64.transform(txid), vout: z.int().min(0) }),
    txid: hex64.transform(txid),
    by: z.enum(['operators', 'pool']),
    /** With the largest fee. */
    spendSats: amountSats,
    payees: z.array(z.strictObject({ amountSats, destination: z.string() })),
  }),
  z.strictObject({
    kind: z.literal('version'),
    batch: z.string().regex(/^[1-9]\d{0,18}$/),
    txid: hex64.transform(txid),
  }),
  z.strictObject({ kind: z.literal('closed'), manifest: hash }),
  z.strictObject({
    kind: z.literal('confirmed'),
    pool: head,
    operator: operatorKey,
    signature,
  }),
  z.strictObject({
    kind: z.literal('freeze'),
    ...{
      network: z.string(),
      scope: z.string(),
      reason: z.string(),
      at: time,
      by: operatorKey,
      signature,
    },
  }),
  z.strictObject({
    kind: z.literal('unfreeze'),
    ...{
      network: z.string(),
      freeze: hash,
      reason: z.string(),
      at: time,
      by: operatorKey,
      signature,
    },
  }),
  ...lightningEvents,
])
export type MemoryEvent = z.infer<typeof eventSchema>

const entrySchema = z.strictObject({
  at: time,
  before: hash,
  event: eventSchema,
  position: z.int().min(1),
})
/** An event in its place: after the entry whose hash is `before`. */
export type MemoryEntry = z.infer<typeof entrySchema>

const lineSchema = z.strictObject({ entry: entrySchema, hash })

/** An entry with its hash, which is where the memory ends when it is the last one. */
export type ChainedEntry = { readonly entry: MemoryEntry; readonly hash: Digest }

/** The one spelling of an entry as a line, without its end, and its hash. */
export function writeLine(entry: MemoryEntry): { readonly line: string; readonly hash: Digest } {
  const hash = digest(toHex(taggedHash('sidepool/signer-memory/1', utf8(canonicalJson(entry)))))
  return { line: canonicalJson({ entry, hash }), hash }
}

/** @returns null unless the line is exactly what `writeLine` would write */
export function readLine(line: string): ChainedEntry | null {
  if (line.length > MEMORY_LINE_BYTES_MAX) return null
  const parsed = lineSchema.safeParse(parseJson(line))
  if (!parsed.success) return null
  const written = writeLine(parsed.data.entry)
  return written.line === line ? { entry: parsed.data.entry, hash: written.hash } : null
}

/**
 * The place of an event after a head. Positions rise by one; only over a confirmed head of the
 * pool they rise past it, so that for the pool too the newest head is the highest.
 */
export function entryAfter(head: SignerHead, event: MemoryEvent, at: number): MemoryEntry {
  const last = event.kind === 'confirmed' ? Math.max(head.position, event.pool.position) : null
  return { at: unixMs(at), before: head.hash, event, position: (last ?? head.position) + 1 }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
