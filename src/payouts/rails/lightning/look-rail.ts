import type { PaymentHash, Preimage, UnixMs } from '../../../lib/ids.ts'
import { type AttemptVerdict, judgeAttempt } from '../../../lib/lightning/evidence.ts'
import { msatsFromSats } from '../../../lib/money.ts'
import type { PaymentNews } from '../../../lib/nodes/lnd-client.ts'
import type { ManifestLine } from '../../../treasury/index.ts'
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

/** Everything but the attempt that it is judged by. */
export type Witnesses = {
  readonly node: NodeStanding
  readonly news: PaymentNews
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
  { node, news, shown, mayBeCalled, now }: Witnesses,
): AttemptVerdict {
  const { paymentHash, nodeKey, state, notFoundSince } = attempt
  return judgeAttempt({
    ...{ paymentHash, news, shown, mayBeCalled },
    amount: msatsFromSats(line.amount),
    wasCalled: state !== 'prepared',
    node: { isOurs: node.publicKey === nodeKey, hasForgotten: node.hasForgotten },
    notFoundMs: notFoundSince === null ? 0 : now - notFoundSince,
  })
}
