import { type PaymentHash, unixMs } from '../../src/lib/ids.ts'
import { millisats } from '../../src/lib/money.ts'
import type { NodeStand } from '../../src/signer/lightning-call-rules.ts'
import type { Memory } from '../../src/signer/memory.ts'
import type { Standing } from '../../src/signer/standing.ts'
import {
  givenTo,
  hashOf,
  hashOfNumber,
  lineManifest,
  NODE,
  remembering,
} from './lightning-world.ts'

export const MANIFEST = lineManifest()
export const HASH = hashOfNumber(1)
/** Ann has an invoice, and Ben another. */
export const GIVEN = givenTo(MANIFEST, { 0: 1, 1: 2 })
export const MINUTES = 60_000

export const ended = (memory: Memory, n = 1, isLast = false) =>
  remembering(memory, [
    { kind: 'ln ended', manifest: hashOf(MANIFEST), lines: [{ payee: 0, n, isLast }] },
  ])

export const called = (memory: Memory, calls: number) =>
  Array.from({ length: calls }, (_, index) => index + 1).reduce(
    (before, call) =>
      remembering(before, [
        {
          ...({
            kind: 'ln calls',
            manifest: hashOf(MANIFEST),
            node: NODE,
            newestIndex: 5n,
          } as const),
          lines: [{ payee: 0, n: 1, call, feeMaxMsat: millisats(5000n) }],
        },
      ]),
    memory,
  )

export type Change = {
  readonly memory?: Memory
  readonly node?: Partial<NodeStand>
  readonly open?: readonly PaymentHash[]
  readonly resting?: readonly (readonly [PaymentHash, number])[]
  readonly standing?: Partial<Standing>
}

export function late(now: number): Change {
  return { standing: { now: unixMs(now) } }
}
