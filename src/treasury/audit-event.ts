import { z } from 'zod'
import { canonicalJson, type Plain, taggedHash } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import { fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest, type UnixMs, unixMs } from '../lib/ids.ts'

/** A larger event is a bug: whoever takes words of strangers limits them first. */
export const EVENT_BYTES_MAX = 16_384

/** Something that somebody did, for the log that nobody can change afterwards. */
export type AuditEvent = {
  readonly at: UnixMs
  /** `pool`, `host` (a command on the pool's own machine), or `operator:`, `payee:` and a name. */
  readonly actor: string
  /** A verb in lower-case words, for example `approve` or `add key`. */
  readonly action: string
  /** What it was done to, for example `batch:7`; empty where the action says it all. */
  readonly subject: string
  /** What else is worth knowing. Never a secret or a token; amounts as text. */
  readonly detail: { readonly [key: string]: Plain }
}

/** What the first event names as the one before. */
export const EVENTS_START = digest('0'.repeat(64))

/** The bytes that an event's hash is of; the position is in them, so none can change places. */
export function eventBytes(position: bigint, event: AuditEvent): Uint8Array {
  assert(position > 0n, 'events are counted from one')
  const bytes = utf8(canonicalJson({ ...event, position }))
  assert(bytes.length <= EVENT_BYTES_MAX, 'an event stays below its limit')
  return bytes
}

/** The event's place in the chain: tag `sidepool/event/1` over the hash before and the bytes. */
export function eventHash(previous: Digest, bytes: Uint8Array): Digest {
  return digest(toHex(taggedHash('sidepool/event/1', fromHex(previous), bytes)))
}

const lineSchema = z.strictObject({
  position: z.string().regex(/^[1-9]\d{0,17}$/),
  at: z.int().min(0),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.json()),
  previous: z.string(),
  hash: z.string(),
})

/**
 * Checks a line of the exported log on whatever machine holds it.
 *
 * @param last the line before it; null where that is not known
 * @returns its place; null unless its hash is of its words and it follows the line before
 */
export function checkLogLine(
  line: string,
  last: { readonly position: bigint; readonly hash: string } | null,
): { readonly position: bigint; readonly hash: string } | null {
  const parsed = lineSchema.safeParse(parseJson(line))
  if (!parsed.success || !/^[0-9a-f]{64}$/.test(parsed.data.previous)) return null
  const { position: place, previous, hash, at, ...words } = parsed.data
  const position = BigInt(place)
  if (last !== null && (position !== last.position + 1n || previous !== last.hash)) return null
  const bytes = bytesOrNull(position, { ...words, at: unixMs(at) })
  return bytes !== null && eventHash(digest(previous), bytes) === hash ? { position, hash } : null
}

/** A stranger's line may be what no event can be, such as endless. */
function bytesOrNull(position: bigint, event: AuditEvent): Uint8Array | null {
  try {
    return eventBytes(position, event)
  } catch {
    return null
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
