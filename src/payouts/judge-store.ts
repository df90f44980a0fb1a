import type { Kysely } from 'kysely'
import { type Manifest, type SignedAct, type SpendPolicy, verdictText } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import type { Clock } from '../lib/time.ts'
import { actsOn } from '../treasury/index.ts'
import { judgeBatch } from './decide-store.ts'
import { factsComplaint } from './facts-store.ts'

/** A batch that may be signed now, with what stands on it. Only a rail's `judge` makes one. */
export type Approved<M extends Manifest> = {
  readonly manifest: M
  readonly acts: readonly SignedAct[]
}

export type Judgement<M extends Manifest> =
  | { readonly kind: 'approved'; readonly approved: Approved<M> }
  | { readonly kind: 'refused'; readonly reason: string }

type JudgeParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly policy: () => Promise<SpendPolicy>
  readonly options: { readonly network: string }
}

/**
 * Checks what a wallet, which signs anything, does not: who approves a batch by the rules of now,
 * and what.
 *
 * @param rail whose batch it must be
 * @param complaint what is wrong on that rail itself, asked last; null where nothing is
 */
export async function judgeApproval<M extends Manifest>(
  { db, clock, policy, options }: JudgeParts,
  rail: string,
  manifest: M,
  complaint: () => Promise<string | null>,
): Promise<Judgement<M>> {
  const refused = (reason: string): Judgement<M> => ({ kind: 'refused', reason })
  if (manifest.network !== options.network || manifest.rail !== rail)
    return refused('it is not for this rail')
  const verdict = await judgeBatch(db, await policy(), manifest.batch, clock.now())
  if (verdict.kind !== 'approved') return refused(verdictText(verdict))
  const acts = await actsOn(db, manifest.batch)
  const wrong = (await factsComplaint(db, manifest)) ?? (await complaint())
  return wrong === null ? { kind: 'approved', approved: { manifest, acts } } : refused(wrong)
}
