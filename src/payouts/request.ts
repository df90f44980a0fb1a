import { type UnixMs, unixMs } from '../lib/ids.ts'
import { lines, type TextContext } from './settings.ts'
import { type Candidate, type Circumstances, type Waiting, waitingReason } from './waiting.ts'

/** An account asks at most once in this time: a payout costs the pool a fee. */
export const REQUEST_EVERY_MS = 86_400_000

/** An account's last request to be paid before its interval is over. */
export type LastRequest = { readonly askedAt: UnixMs; readonly isOpen: boolean }

/** Why an account is not paid sooner for asking. */
export type RequestRefusal =
  /** Asking changes nothing about it. */
  | { readonly kind: 'waiting'; readonly why: Waiting }
  /** It asked already, and the next plan takes it. */
  | { readonly kind: 'asked already'; readonly askedAt: UnixMs }
  | { readonly kind: 'too soon'; readonly from: UnixMs }

/**
 * Whether an account may ask for its payout now. A freeze or a high fee does not refuse it: the
 * request stays open until they pass.
 *
 * @returns null where it may
 */
export function requestRefusal(
  candidate: Candidate,
  { now, rails }: Pick<Circumstances, 'now' | 'rails'>,
  last: LastRequest | null,
): RequestRefusal | null {
  const nothing = { frozen: new Map(), feeRates: new Map() }
  const why = waitingReason({ ...candidate, isAsked: true }, { now, rails, ...nothing })
  if (why.kind !== 'next plan') return { kind: 'waiting', why }
  if (last?.isOpen) return { kind: 'asked already', askedAt: last.askedAt }
  const from = last === null ? now.at : unixMs(last.askedAt + REQUEST_EVERY_MS)
  return now.at < from ? { kind: 'too soon', from } : null
}

/** What a payee signs to be paid now where it bears the fee; `number` counts its requests. */
export function requestText(context: TextContext, scheme: string): string {
  return lines('sidepool payout request', context, [`scheme: ${scheme}`])
}
