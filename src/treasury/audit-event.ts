import { assert } from '../lib/assert.ts'
import { fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest, type UnixMs } from '../lib/ids.ts'
import { canonicalJson, type Plain } from './canonical.ts'
import { taggedHash } from './tagged-hash.ts'

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
