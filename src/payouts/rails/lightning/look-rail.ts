import type { ManifestLine } from '../../../approval/index.ts'
import type { PaymentHash, Preimage, UnixMs } from '../../../lib/ids.ts'
import { type AttemptVerdict, judgeAttempt } from '../../../lib/lightning/evidence.ts'
import { isOverdue, type Way, wayOf } from '../../../lib/lightning/way.ts'
import { msatsFromSats } from '../../../lib/money.ts'
import type { PaymentNews } from '../../../lib/nodes/lnd-client.ts'
import { orReason } from '../../node-trouble-client.ts'
import type { Attempt } from './attempt.ts'
import type { LightningParts } from './lightning-parts.ts'
import type { OpenLine } from './line-source.ts'
import type { NodeStanding } from './node-client.ts'

/** Look-ups at once: each is a call of lnd that reads its disk. */
const LOOKS_AT_ONCE = 32

/** What lnd says of each payment that it was called for. */
export async function newsOf(
  { client }: LightningParts,
  lines: readonly OpenLine[],
): Promise<ReadonlyMap<PaymentHash, PaymentNews>> {
  const called = lines.flatMap(({ newest }) => (newest?.state === 'called' ? [newest] : []))
  const news = new Map<PaymentHash, PaymentNews>()
  for (let from = 0; from < called.length; from += LOOKS_AT_ONCE) {
    const some = called.slice(from, from + LOOKS_AT_ONCE)
    const said = await Promise.all(some.map(({ paymentHash }) => client.track(paymentHash)))
    some.forEach(({ paymentHash }, index) => {
      const each = said[index]
      if (each !== undefined) news.set(paymentHash, each)
    })
  }
  return news
}

/** What the channels say of each payment; they are asked where one of them is overdue. */
export async function waysOf(
  { client }: LightningParts,
  node: NodeStanding,
  news: ReadonlyMap<PaymentHash, PaymentNews>,
): Promise<ReadonlyMap<PaymentHash, Way>> {
  const isAsked = [...news.values()].some(each => isOverdue(each, node))
  // A macaroon of an earlier version may not show them.
  const channels = isAsked ? await orReason(() => null, client.channels) : null
  return new Map([...news].map(([hash, each]) => [hash, wayOf(each, node, channels)]))
}

/** Everything but the attempt that it is judged by. */
export type Witnesses = {
  readonly node: NodeStanding
  readonly news: PaymentNews
  readonly way: Way
  /** What the signer had from the payee's server; null where it had nothing. */
  readonly shown: Preimage | null
  /** Whether whoever pays may still call lnd for it. */
  readonly mayBeCalled: boolean
  readonly now: UnixMs
}

/** What became of an attempt. */
export function verdictOn(
  attempt: Attempt,
  line: ManifestLine,
  { node, news, way, shown, mayBeCalled, now }: Witnesses,
): AttemptVerdict {
  const { paymentHash, nodeKey, state, goneSince } = attempt
  return judgeAttempt({
    ...{ paymentHash, news, way, shown, mayBeCalled },
    amount: msatsFromSats(line.amount),
    wasCalled: state !== 'prepared',
    node: { isOurs: node.publicKey === nodeKey, hasForgotten: node.hasForgotten },
    goneMs: goneSince === null ? 0 : now - goneSince,
  })
}
