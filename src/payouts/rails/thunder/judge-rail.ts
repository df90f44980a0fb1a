import { actsOn, type Manifest, type SignedAct, verdictText } from '../../../treasury/index.ts'
import { judgeBatch } from '../../decide-store.ts'
import { factsComplaint } from '../../facts-store.ts'
import type { Parts } from './thunder-parts.ts'

export type Judgement =
  /** With what stands on it now. */
  | { readonly kind: 'approved'; readonly acts: readonly SignedAct[] }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Checks what a node's wallet, which signs anything, does not: who approves a batch by the rules of
 * now, and what. Asked before every signature.
 */
export async function judge(parts: Parts, manifest: Manifest): Promise<Judgement> {
  const { db, clock, policy, options } = parts
  const refused = (reason: string): Judgement => ({ kind: 'refused', reason })
  if (manifest.network !== options.network || manifest.rail !== 'thunder')
    return refused('it is not for this rail')
  const verdict = await judgeBatch(db, await policy(), manifest.batch, clock.now())
  if (verdict.kind !== 'approved') return refused(verdictText(verdict))
  const acts = await actsOn(db, manifest.batch)
  const wrong = await factsComplaint(db, manifest)
  if (wrong !== null) return refused(wrong)
  if (!options.addresses.some(address => address === manifest.change))
    return refused('its change is not an address of ours')
  if (!(await withdrawsToUs(parts, manifest)))
    return refused('it does not go to an address of our hot wallet')
  return { kind: 'approved', acts }
}

/** The rules let a withdrawal pay any address, so that this has the last word. */
async function withdrawsToUs({ isOurs }: Parts, { purpose, payees }: Manifest): Promise<boolean> {
  if (purpose !== 'withdrawal') return true
  const [payee] = payees
  return payee !== undefined && (await isOurs(payee.destination))
}
