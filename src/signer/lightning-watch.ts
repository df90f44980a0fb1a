import type { PaymentHash, Preimage, UnixMs } from '../lib/ids.ts'
import { parsePreimage } from '../lib/lightning/preimage.ts'
import { isOverdue, NOT_TOLD, type Way, wayOf } from '../lib/lightning/way.ts'
import type { PaymentNews } from '../lib/nodes/lnd-client.ts'
import type { Clock } from '../lib/time.ts'
import type { Look, NodeStand, OpenCalls } from './lightning-call-rules.ts'
import type { Leaving, Resting } from './lightning-exposure.ts'
import type { LiveAttempt } from './lightning-memory.ts'
import type { PayingNode } from './lightning-node-client.ts'
import { slots } from './slots.ts'

/** Strangers' servers that are asked at once, and payments that lnd is asked about. */
const ASKED_AT_ONCE = 16
/**
 * Nobody new is asked then: what was begun takes two answers of a stranger, 10 s each, and one of
 * lnd, 15 s, and the pool waits for a minute. The rest comes with the next request.
 */
const ASK_MS_MAX = 15_000
/** A payee's server is not asked more often about one payment. */
const VERIFY_EVERY_MS = 600_000

type EachInTime = <T>(items: readonly T[], work: (item: T) => Promise<void>) => Promise<void>

/** Does something for each of many, some at once, as far as there is time; all share the places. */
export function inTime(clock: Clock): EachInTime {
  const slot = slots(ASKED_AT_ONCE)
  return async (items, work) => {
    const until = clock.now() + ASK_MS_MAX
    const whileTime = (item: (typeof items)[number]) =>
      slot(async () => {
        if (clock.now() < until) await work(item)
      })
    await Promise.all(items.map(whileTime))
  }
}

/** What is heard of payments by this process, of which nothing is on the disk. */
export type PaymentWatch = {
  /** Made, by what lnd says, and not noted yet. */
  readonly paid: Set<PaymentHash>
  /** It is called now: what was heard before is of the past. */
  readonly begins: (hash: PaymentHash) => void
  readonly heard: (hash: PaymentHash, news: PaymentNews) => void
  /** Which payments that take another's room have failed; those that were made are in `paid`. */
  readonly restOf: (rivals: readonly Leaving[]) => Promise<Resting>
  readonly lookAt: (
    attempts: readonly LiveAttempt[],
    stand: NodeStand | null,
  ) => Promise<ReadonlyMap<PaymentHash, Look>>
}

export function paymentWatch(
  {
    node,
    askForPreimage,
  }: {
    readonly node: Pick<PayingNode, 'track' | 'channels'>
    readonly askForPreimage: (verifyUrl: string, hash: PaymentHash) => Promise<Preimage | null>
  },
  {
    clock,
    eachInTime,
    open,
  }: { readonly clock: Clock; readonly eachInTime: EachInTime; readonly open: OpenCalls },
): PaymentWatch {
  const paid = new Set<PaymentHash>()
  const gone = new Map<PaymentHash, { readonly from: 'lnd' | 'channels'; readonly since: UnixMs }>()
  const verifiedAt = new Map<PaymentHash, UnixMs>()

  function heard(hash: PaymentHash, news: PaymentNews): void {
    if (isPaid(news, hash)) paid.add(hash)
  }

  async function restOf(rivals: readonly Leaving[]): Promise<Resting> {
    const resting = new Map<PaymentHash, number>()
    await eachInTime(
      rivals.filter(({ paymentHash, calls }) => calls > 0 && !open.has(paymentHash)),
      async ({ paymentHash, calls }) => {
        const news = await node.track(paymentHash)
        heard(paymentHash, news)
        if (news.kind !== 'payment') return
        const { status, unresolvedHtlcs } = news.payment
        if (status === 'failed' && unresolvedHtlcs === 0) resting.set(paymentHash, calls)
      },
    )
    return resting
  }

  async function lookAt(
    attempts: readonly LiveAttempt[],
    stand: NodeStand | null,
  ): Promise<ReadonlyMap<PaymentHash, Look>> {
    const looks = new Map<PaymentHash, Look>()
    await eachInTime(attempts, async attempt => {
      const { paymentHash, calls } = attempt
      const news = await node.track(paymentHash)
      const isLost = stand !== null && (stand.hasForgotten || stand.publicKey !== attempt.node)
      const shown = isLost && !isPaid(news, paymentHash) ? await shownOf(attempt) : null
      const way = await wayAt(news, stand)
      const goneMs = goneFor(paymentHash, news, way)
      looks.set(paymentHash, { news, calls, way, goneMs, shown })
    })
    return looks
  }

  /** Only where lnd has lost what it knew: else its word is there, and a stranger need not hear. */
  async function shownOf({ paymentHash, verifyUrl }: LiveAttempt): Promise<Preimage | null> {
    const since = clock.now() - (verifiedAt.get(paymentHash) ?? 0)
    if (verifyUrl === null || since < VERIFY_EVERY_MS) return null
    verifiedAt.set(paymentHash, clock.now())
    return askForPreimage(verifyUrl, paymentHash)
  }

  async function wayAt(news: PaymentNews, stand: NodeStand | null): Promise<Way> {
    if (stand === null) return NOT_TOLD
    return wayOf(news, stand, isOverdue(news, stand) ? await node.channels() : null)
  }

  /** Silence in between neither proves nor disproves that it is nowhere. */
  function goneFor(hash: PaymentHash, news: PaymentNews, way: Way): number {
    if (news.kind === 'no answer' || (news.kind === 'payment' && way.kind === 'not told')) return 0
    const from = news.kind === 'not found' ? 'lnd' : way.kind === 'gone' ? 'channels' : null
    if (from === null) {
      gone.delete(hash)
      return 0
    }
    const before = gone.get(hash)
    const since = before?.from === from ? before.since : clock.now()
    gone.set(hash, { from, since })
    return clock.now() - since
  }

  return { paid, begins: hash => void gone.delete(hash), heard, restOf, lookAt }
}

function isPaid(news: PaymentNews, hash: PaymentHash): boolean {
  if (news.kind !== 'payment' || news.payment.status !== 'succeeded') return false
  return parsePreimage(news.payment.preimage, hash) !== null
}
