import { z } from 'zod'
import { sha256 } from '../bitcoin/hash.ts'
import { toHex, utf8 } from '../bytes.ts'
import type { PaymentHash, Preimage } from '../ids.ts'
import { type Millisats, millisats } from '../money.ts'
import type { LightningAddress } from './destination.ts'
import { parsePreimage } from './preimage.ts'

/** What a server offers whoever wants to pay an address. */
export type PayRequest = {
  readonly kind: 'pay request'
  readonly callback: string
  readonly least: Millisats
  readonly most: Millisats
  /** As it was written: its hash is what an invoice may carry. */
  readonly metadata: string
  /** Characters of a comment that are taken; 0 where none is. */
  readonly commentCharsMax: number
  /** Whether it says which address it is for, as LUD-16 asks. */
  readonly namesAddress: boolean
}

/** The invoice that a server made, not looked at yet. */
export type PayAnswer = {
  readonly kind: 'pay answer'
  readonly invoice: string
  /** Where to ask whether it was paid (LUD-21), or null. */
  readonly verifyUrl: string | null
}

/** For people. Words of the server are cut, and quoted. */
export type Refused = { readonly kind: 'refused'; readonly reason: string }

const REASON_CHARS_MAX = 120
/** What the payer would have to do afterwards. These it may leave undone. Source: LUD-09, LUD-10. */
const SUCCESS_ACTIONS = ['message', 'url', 'aes']

const failure = z.object({ status: z.string().regex(/^error$/i), reason: z.string().optional() })
const amount = z
  .int()
  .min(1)
  .transform(value => millisats(BigInt(value)))
const entries = z.array(z.array(z.unknown()))
const payRequest = z.object({
  tag: z.literal('payRequest'),
  callback: z.string(),
  minSendable: amount,
  maxSendable: amount,
  metadata: z.string(),
  commentAllowed: z.int().min(0).nullish(),
})
const payAnswer = z.object({
  pr: z.string(),
  verify: z.string().nullish(),
  successAction: z.object({ tag: z.string() }).nullish(),
})
const verifyAnswer = z.object({ settled: z.literal(true), preimage: z.string() })

/** Where an address is asked for. Source: LUD-16. */
export function addressUrl({ name, domain }: LightningAddress): string {
  return `https://${domain}/.well-known/lnurlp/${name}`
}

/** Source: LUD-06, LUD-12, LUD-16. */
export function readPayRequest(text: string, address: LightningAddress): PayRequest | Refused {
  const json = parseJson(text)
  const read = payRequest.safeParse(json)
  if (!read.success) return refusal(json, 'the server offers nothing that can be paid')
  const { callback, minSendable, maxSendable, metadata, commentAllowed } = read.data
  const described = entries.safeParse(parseJson(metadata))
  if (!described.success) return refused('the server says nothing that makes sense of what is paid')
  if (minSendable > maxSendable) return refused('the server takes no amount at all')
  return {
    kind: 'pay request',
    callback,
    least: minSendable,
    most: maxSendable,
    metadata,
    commentCharsMax: commentAllowed ?? 0,
    namesAddress: described.data.some(
      ([type, value]) =>
        (type === 'text/identifier' || type === 'text/email') && value === address.text,
    ),
  }
}

/** Why an amount is not asked for, or null. */
export function amountComplaint({ least, most }: PayRequest, amount: Millisats): string | null {
  if (amount < least) return `the server takes ${least} msat at least`
  return amount > most ? `the server takes ${most} msat at most` : null
}

/**
 * Where an invoice is asked for. What the callback says already stays as it is, letter by letter; a
 * comment that does not fit is left out, since half a reference is none.
 */
export function callbackUrl(request: PayRequest, amount: Millisats, comment: string): string {
  const [url = ''] = request.callback.split('#', 1)
  const separator = url.includes('?') ? '&' : '?'
  const fits = comment !== '' && [...comment].length <= request.commentCharsMax
  return `${url}${separator}amount=${amount}${fits ? `&comment=${encodeURIComponent(comment)}` : ''}`
}

/** Source: LUD-06, LUD-09, LUD-21. */
export function readPayAnswer(text: string): PayAnswer | Refused {
  const json = parseJson(text)
  const read = payAnswer.safeParse(json)
  if (!read.success) return refusal(json, 'the server made no invoice')
  const { pr, verify, successAction } = read.data
  if (successAction && !SUCCESS_ACTIONS.includes(successAction.tag))
    return refused('the server asks the payer for something that is not known here')
  return { kind: 'pay answer', invoice: pr, verifyUrl: verify ?? null }
}

/**
 * The preimage that a server shows for a payment. Only that counts: whoever has it was paid, or
 * says so against itself; "not settled" proves nothing.
 *
 * @returns null where there is none, or not the one of this hash
 */
export function readVerifyAnswer(text: string, hash: PaymentHash): Preimage | null {
  const read = verifyAnswer.safeParse(parseJson(text))
  return read.success ? parsePreimage(read.data.preimage, hash) : null
}

/** What an invoice says of the description that it was asked for by. */
export type Described = 'by this metadata' | 'by other metadata' | 'in words'

/**
 * Servers were once to sign the hash of their metadata and no longer are, so this decides nothing; a
 * person who looks for what went wrong may want to know. Source: LUD-06, and its change of 2023.
 */
export function describedBy(descriptionHash: string | null, { metadata }: PayRequest): Described {
  if (descriptionHash === null) return 'in words'
  const isSame = toHex(sha256(utf8(metadata))) === descriptionHash
  return isSame ? 'by this metadata' : 'by other metadata'
}

function refusal(json: unknown, otherwise: string): Refused {
  const read = failure.safeParse(json)
  if (!read.success) return refused(otherwise)
  const words = (read.data.reason ?? '').replaceAll(/\p{C}/gu, ' ').trim()
  return refused(`the server refuses: "${words.slice(0, REASON_CHARS_MAX)}"`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refused(reason: string): Refused {
  return { kind: 'refused', reason }
}
