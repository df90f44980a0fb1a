import { actsOn, type Manifest, type SignedAct, verdictText } from '../../../treasury/index.ts'
import { judgeBatch } from '../../decide-store.ts'
import { factsComplaint } from '../../facts-store.ts'
import { depositOf } from './deposit.ts'
import { type Parts, walletOf } from './l1-parts.ts'

/** A batch that may be signed now, with what stands on it. Only `judge` makes one. */
export type Approved = { readonly manifest: Manifest; readonly acts: readonly SignedAct[] }

export type Judgement =
  | { readonly kind: 'approved'; readonly approved: Approved }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Checks what a wallet, which may sign anything, does not: who approves it by the rules of now,
 * and what. Asked before every signature, of a first version and of every further one.
 */
export async function judge(parts: Parts, manifest: Manifest): Promise<Judgement> {
  const { db, clock, policy, options } = parts
  const refused = (reason: string): Judgement => ({ kind: 'refused', reason })
  if (manifest.network !== options.network || manifest.rail !== 'l1')
    return refused('it is not for this rail')
  const verdict = await judgeBatch(db, await policy(), manifest.batch, clock.now())
  if (verdict.kind !== 'approved') return refused(verdictText(verdict))
  const acts = await actsOn(db, manifest.batch)
  const wrong = await factsComplaint(db, manifest)
  if (wrong !== null) return refused(wrong)
  const { client } = walletOf(parts, manifest)
  if (!(await client.isOurs(manifest.change)))
    return refused('its change is not an address of the wallet')
  if (!(await transfersToUs(parts, manifest)))
    return refused('it does not go to an address of our other wallet')
  if (!depositsToUs(parts, manifest)) return refused('it does not go to a Thunder address of ours')
  return { kind: 'approved', approved: { manifest, acts } }
}

/** The same of deposits: our addresses there stand in the configuration. */
function depositsToUs({ sidechain }: Parts, manifest: Manifest): boolean {
  if (manifest.purpose !== 'deposit') return true
  return sidechain?.addresses.has(depositOf(manifest).address) === true
}

/** The rules let a transfer pay any address, so that this has the last word. */
async function transfersToUs(
  { hot, cold }: Parts,
  { purpose, wallet, payees }: Manifest,
): Promise<boolean> {
  if (purpose !== 'transfer') return true
  const other = wallet === 'hot' ? cold : hot
  const [payee] = payees
  return payee !== undefined && (await other?.client.isOurs(payee.destination)) === true
}
