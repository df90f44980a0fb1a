import type { Kysely } from 'kysely'
import {
  encodeManifest,
  type LightningReply,
  type LightningRequest,
} from '../../../approval/index.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { Clock } from '../../../lib/time.ts'
import type { SignerClient } from '../../signer-client.ts'
import { newestHead, storeHead } from '../../signer-head-store.ts'
import type { Asked, LightningSigner } from './signer.ts'

/** What asking the signer host takes. */
export type SignerParts = {
  readonly db: Kysely<Database>
  readonly client: SignerClient
  readonly clock: Clock
}
type Without<T, Key extends string> = T extends unknown ? Omit<T, Key> : never

/** Has the signer host pay. Where its memory ended is on record here before its answer is used. */
export function lightningHostSigner(parts: SignerParts): LightningSigner {
  return {
    invoices: async ({ manifest, acts, lines }) => {
      const bytes = encodeManifest(manifest)
      const request = { manifest: bytes, acts: [...acts], lines: [...lines] }
      const reply = await askLightning(parts, { ask: 'invoices', ...request })
      return reply.kind === 'invoices' ? answers(reply.lines) : noAnswer(reply)
    },
    pay: async ({ lines, manifestHash }) => {
      const reply = await askLightning(parts, { ask: 'pay', manifestHash, lines: [...lines] })
      return reply.kind === 'called' ? answers(reply.lines) : noAnswer(reply)
    },
    end: async ({ lines, manifestHash }) => {
      const reply = await askLightning(parts, { ask: 'end', manifestHash, lines: [...lines] })
      return reply.kind === 'ended' ? answers(reply.lines) : noAnswer(reply)
    },
  }
}

type Waits = { readonly kind: 'waits'; readonly reason: string }

/** Asks the signer host, and puts where its memory ended on record before the answer is used. */
export async function askLightning(
  { db, client, clock }: SignerParts,
  request: Without<LightningRequest, 'head'>,
): Promise<LightningReply | Waits> {
  const answer = await client.lightning({ ...request, head: await newestHead(db) })
  if (answer.kind === 'no answer') return { kind: 'waits', reason: answer.reason }
  const { value } = answer
  if (value.kind === 'refused')
    return { kind: 'waits', reason: `the signer refuses: ${value.reason}` }
  const wrong = await storeHead(db, value.head, clock.now())
  return wrong === null ? value : { kind: 'waits', reason: wrong }
}

function answers<T extends { readonly payee: number }>(lines: readonly T[]): Asked<T> {
  return { kind: 'answers', lines: new Map(lines.map(line => [line.payee, line])) }
}

/** An answer to another question than was asked is none. */
function noAnswer(reply: LightningReply | Waits): Waits {
  return reply.kind === 'waits'
    ? reply
    : { kind: 'waits', reason: 'the signer answered something else' }
}
