import { z } from 'zod'
import { CommandError } from './command.ts'

/** A pool that is alive answers sooner. */
const ANSWER_TIMEOUT_MS = 20_000
/** A longer reply is not read: the largest manifest, and room for what stands around it. */
const REPLY_BYTES_MAX = 16 * 1024 * 1024
/** Pages of a list; what lies behind them is old. */
const PAGES_MAX = 10

const batch = z.object({
  batch: z.string(),
  rail: z.string(),
  state: z.string(),
  manifestHash: z.string(),
  purpose: z.string(),
  totalSats: z.string(),
  note: z.string(),
  approvedBy: z.array(z.string()),
  approvalsNeeded: z.number(),
})
const batchList = z.object({ items: z.array(batch), nextCursor: z.string().nullable() })
const batchDetail = z.object({
  ...batch.shape,
  manifest: z.unknown(),
  versions: z.array(z.object({ txid: z.string(), feeSats: z.string(), signed: z.boolean() })),
  heldBack: z.string(),
  acts: z.array(
    z.object({
      operatorKey: z.string(),
      alias: z.string(),
      act: z.string(),
      reason: z.string(),
    }),
  ),
})
const limit = z.string().nullable()
const rules = z.object({
  version: z.number(),
  hash: z.string(),
  bands: z.array(z.object({ upToSats: limit, approvals: z.number() })),
  auto: z.object({ perBatchSats: z.string(), perDaySats: z.string() }).nullable(),
  limits: z.object({ perBatchSats: limit, perDaySats: limit, perDestinationPerDaySats: limit }),
  allowList: z.array(z.string()).nullable(),
  coolOffHours: z.number(),
  spent: z.object({ daySats: z.string(), autoDaySats: z.string() }),
})
const psbt = z.object({
  version: z.number(),
  txid: z.string(),
  signatures: z.number(),
  psbt: z.base64().transform(text => new Uint8Array(Buffer.from(text, 'base64'))),
})
const actReply = z.object({ state: z.string() })
const problem = z.object({ title: z.string(), detail: z.string().optional() })

export type BatchInList = z.infer<typeof batch>
/** A batch as the API tells it; what of it is true is for the reader to find out. */
export type BatchTold = z.infer<typeof batchDetail>

/** The rules in force, as the API tells them. */
export type RulesTold = z.infer<typeof rules>

/** A version of a batch that waits for its co-signers, as the API tells it. */
export type PsbtTold = z.infer<typeof psbt>

/** What became of a request: the answer, or why the pool did not do it. */
export type Answer<T> =
  | { readonly kind: 'answer'; readonly value: T }
  | { readonly kind: 'refused'; readonly reason: string }

/** An operator's signed act as the API takes it. */
export type ActBody = {
  readonly operatorKey: string
  readonly manifestHash: string
  readonly signature: string
  readonly reason?: string
}

/** The treasury's part of a pool's API. */
export type TreasuryClient = {
  /** Newest first, as many as a person would look through. */
  readonly list: () => Promise<Answer<readonly BatchInList[]>>
  readonly batch: (number: string) => Promise<Answer<BatchTold>>
  readonly policy: () => Promise<Answer<RulesTold>>
  /** @returns what the batch does now: waits, approved or rejected */
  readonly act: (
    number: string,
    act: 'approve' | 'reject',
    body: ActBody,
  ) => Promise<Answer<string>>
  readonly psbt: (number: string) => Promise<Answer<PsbtTold>>
  readonly bringPsbt: (number: string, psbt: Uint8Array) => Promise<Answer<PsbtTold>>
}

/** Where the treasury's part of a pool's API is. */
export function treasuryUrl(url: string): string {
  return `${parseUrl(url).href.replace(/\/+$/, '')}/api/v1/treasury`
}

/** A request with JSON in its body. */
export function posting(body: object): RequestInit {
  const headers = { 'content-type': 'application/json' }
  return { method: 'POST', headers, body: JSON.stringify(body) }
}

/** @param token never leaves but in the header of a request to exactly this address */
export function treasuryClient(url: string, token: string): TreasuryClient {
  const base = treasuryUrl(url)
  const headers = { authorization: `Bearer ${token}` }
  return {
    list: async () => {
      const items: BatchInList[] = []
      let cursor: string | null = null
      for (let page = 0; page < PAGES_MAX; page++) {
        const from: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
        const reply = await ask(`${base}/batches?limit=100${from}`, { headers }, batchList)
        if (reply.kind === 'refused') return reply
        items.push(...reply.value.items)
        cursor = reply.value.nextCursor
        if (cursor === null) break
      }
      return { kind: 'answer', value: items }
    },
    batch: number => ask(`${base}/batches/${number}`, { headers }, batchDetail),
    policy: () => ask(`${base}/policy`, { headers }, rules),
    psbt: number => ask(`${base}/batches/${number}/psbt`, { headers }, psbt),
    bringPsbt: (number, signed) => {
      const post = posting({ psbt: Buffer.from(signed).toString('base64') })
      const request = { ...post, headers: { ...post.headers, ...headers } }
      return ask(`${base}/batches/${number}/psbt`, request, psbt)
    },
    act: async (number, act, body) => {
      const reply = await ask(`${base}/batches/${number}/${act}`, posting(body), actReply)
      return reply.kind === 'refused' ? reply : { kind: 'answer', value: reply.value.state }
    },
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url
  throw new CommandError('--api is the address of a pool, for example https://pool.example')
}

/**
 * Asks a pool's API.
 *
 * @throws CommandError where nobody, or something else than a pool, answers
 */
export async function ask<T>(
  url: string,
  request: RequestInit,
  schema: z.ZodType<T>,
): Promise<Answer<T>> {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  // A redirect would take what was meant for the pool to somebody else.
  const { status, text } = await fetch(url, { ...request, signal, redirect: 'error' })
    .then(async response => ({ status: response.status, text: await readText(response) }))
    .catch((error: unknown) => {
      throw new CommandError(`${url} does not answer: ${reasonOf(error)}`)
    })
  if (status === 200) {
    const reply = schema.safeParse(parseJson(text))
    if (!reply.success) throw new CommandError(`${url} is not the API of a pool`)
    return { kind: 'answer', value: reply.data }
  }
  const told = problem.safeParse(parseJson(text))
  const why = told.success ? (told.data.detail ?? told.data.title) : 'no reason given'
  return { kind: 'refused', reason: `${status}: ${why}` }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}

async function readText({ body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > REPLY_BYTES_MAX) throw new Error('the reply is too long')
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
