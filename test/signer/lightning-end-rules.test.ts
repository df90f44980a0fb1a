import { describe, expect, test } from 'vitest'
import type { EndRequest } from '../../src/approval/index.ts'
import { batchId, preimage, unixMs } from '../../src/lib/ids.ts'
import { NOT_TOLD } from '../../src/lib/lightning/way.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import type { PaymentNews } from '../../src/lib/nodes/lnd-client.ts'
import type { LndPayment } from '../../src/lib/nodes/lnd-replies.ts'
import { judgeEnd, type Look } from '../../src/signer/lightning-call-rules.ts'
import type { Memory } from '../../src/signer/memory.ts'
import type { MemoryEvent } from '../../src/signer/memory-entry.ts'
import {
  type Change,
  called,
  ended,
  GIVEN,
  HASH,
  late,
  MANIFEST,
  MINUTES,
} from './lightning-attempts.ts'
import {
  AMOUNT_MSAT,
  endRequest,
  FRESH,
  frozenBy,
  givenTo,
  hashOf,
  lineManifest,
  lineOf,
  remembering,
  STAND,
  standingOf,
} from './lightning-world.ts'
import { HOUR_MS, START } from './world.ts'

const PAID: LndPayment = {
  ...{ paymentHash: HASH, status: 'succeeded', amount: millisats(AMOUNT_MSAT) },
  ...{ fee: millisats(1n), preimage: '00'.repeat(32), unresolvedHtlcs: 0, untilHeight: null },
  ...{ index: 6n, firstHops: [] },
}
const payment = (over: Partial<LndPayment>): PaymentNews => ({
  kind: 'payment',
  payment: { ...PAID, ...over },
})
const FAILED = payment({ status: 'failed' })
/** That it is the hash's was looked at before. */
const SHOWN = preimage('cd'.repeat(32))
const NOT_FOUND: PaymentNews = { kind: 'not found' }

describe('an attempt is ended', () => {
  const end = (
    place: Partial<EndRequest['lines'][number]>,
    memory: Memory,
    change: Omit<Change, 'memory'> & { readonly look?: Partial<Look>; readonly away?: true } = {},
  ) => {
    const look = { news: FAILED, calls: 1, way: NOT_TOLD, goneMs: 0, shown: null, ...change.look }
    const judged = judgeEnd(
      standingOf(memory, change.standing),
      endRequest(MANIFEST, [{ payee: 0, n: 1, isLast: false, ...place }]),
      {
        looks: change.look ? new Map([[HASH, look]]) : new Map(),
        node: change.away ? null : { ...STAND, ...change.node },
        open: new Set(change.open),
      },
    )
    if (judged.kind === 'refused') return judged.reason
    const [line] = judged.lines
    const isWritten = judged.event !== null
    if (line?.kind === 'alive') return `${line.reason}${line.preimage ? ', with it' : ''}`
    if (line?.kind === 'ended') return isWritten ? 'ends' : 'ended'
    return line?.kind
  }
  const once = called(GIVEN, 1)

  test.each<[string, ReturnType<typeof end>, string]>([
    ['that was never called', end({}, GIVEN), 'ends'],
    ['that was never called, while lnd is away', end({}, GIVEN, { away: true }), 'ends'],
    ['that failed', end({}, once, { look: { news: FAILED } }), 'ends'],
    [
      'that lnd never heard of',
      end({}, once, { look: { news: NOT_FOUND, goneMs: 3 * MINUTES } }),
      'ends',
    ],
    ['that has ended', end({}, ended(once)), 'ended'],
    ['that has ended, as the last', end({ isLast: true }, ended(once)), 'ends'],
    ['that has ended as the last', end({ isLast: true }, ended(once, 1, true)), 'ended'],
    ['that was never given, as the last', end({ payee: 2, isLast: true }, GIVEN), 'ends'],
    ['that failed, as the last', end({ isLast: true }, once, { look: { news: FAILED } }), 'ends'],
    [
      'before the newest one',
      end({}, givenTo(MANIFEST, { 0: 3 }, { memory: ended(GIVEN), n: 2 })),
      'ended',
    ],
    ['while the rail is frozen', end({}, remembering(GIVEN, [frozenBy('bob', 'all')])), 'ends'],
    [
      'that was never given, of what has expired',
      end({ payee: 2 }, GIVEN, late(MANIFEST.expiresAt)),
      'ends',
    ],
    [
      'of a manifest that was closed',
      end({}, remembering(FRESH, [{ kind: 'closed', manifest: hashOf(MANIFEST) }])),
      'ended',
    ],
  ])('%s', (_, answer, expected) => expect(answer).toBe(expected))

  test.each<[string, ReturnType<typeof end>, string]>([
    ['before lnd was asked', end({}, once), 'look'],
    [
      'before the newest one, as the last',
      end({ isLast: true }, givenTo(MANIFEST, { 0: 3 }, { memory: ended(GIVEN), n: 2 })),
      'a later one was given',
    ],
    ['while lnd is away', end({}, once, { away: true }), 'lnd does not answer'],
    ['while a call is open', end({}, once, { open: [HASH], look: {} }), 'a call of it is open'],
    [
      'that was called after lnd was asked',
      end({}, called(GIVEN, 2), { look: {} }),
      'it was called meanwhile',
    ],
    [
      'that is on its way',
      end({}, once, { look: { news: payment({ status: 'in flight', unresolvedHtlcs: 1 }) } }),
      'it is on its way',
    ],
    [
      'that failed with a part on its way',
      end({}, once, { look: { news: payment({ status: 'failed', unresolvedHtlcs: 1 }) } }),
      'it is on its way',
    ],
    [
      'that lnd says it paid',
      end({}, once, { look: { news: payment({}) } }),
      'lnd says that it paid, and has no preimage of this hash',
    ],
    [
      'that lnd knows nothing of yet',
      end({}, once, { look: { news: NOT_FOUND, goneMs: 3 * MINUTES - 1 } }),
      'lnd knows nothing of it yet',
    ],
    [
      'that lnd says nothing of',
      end({}, once, { look: { news: { kind: 'no answer', reason: 'late' } } }),
      'late',
    ],
    [
      'that lnd has already',
      end({}, once, { look: { news: { kind: 'known already' } } }),
      'lnd has a payment by this hash',
    ],
    [
      'by another lnd',
      end({}, once, { look: {}, node: { publicKey: `03${'bb'.repeat(32)}` } }),
      'this lnd is not the one that the payment was begun on',
    ],
    [
      'by one that has forgotten',
      end({}, once, { look: {}, node: { hasForgotten: true } }),
      'this lnd has lost payments that it had',
    ],
    [
      'whose payee shows a preimage, though lnd has forgotten it',
      end({}, once, { look: { news: NOT_FOUND, shown: SHOWN }, node: { hasForgotten: true } }),
      'its payee shows that it was paid, with it',
    ],
    [
      'whose payee shows a preimage, though lnd says that it failed',
      end({}, once, { look: { shown: SHOWN } }),
      'its payee shows that it was paid, with it',
    ],
    ['that may still be given', end({ payee: 2 }, GIVEN), 'it may still be given'],
    ['past the next one', end({ n: 2 }, GIVEN, late(MANIFEST.expiresAt)), 'it was not given yet'],
    ['of an unknown manifest', end({}, FRESH), 'this host knows no such manifest'],
  ])('not one %s', (_, answer, expected) => expect(answer).toBe(expected))
})

describe('the memory', () => {
  test('keeps no invoice of a manifest that has expired', () => {
    const other = lineManifest({ createdBy: 'plan:other', batch: batchId(8n) })
    expect(lineOf(GIVEN, MANIFEST, 0)).toMatchObject({ invoice: expect.stringMatching(/^lnbcrt/) })
    const begun: MemoryEvent = {
      ...({ kind: 'ln batch', batch: '8', by: 'pool' } as const),
      ...{ manifest: hashOf(other), expiresAt: unixMs(START + 99 * HOUR_MS) },
      ...{ spendSats: sats(1n), payees: [] },
    }
    const before = remembering(GIVEN, [begun], MANIFEST.expiresAt - 1)
    expect(lineOf(before, MANIFEST, 0)).toMatchObject({ invoice: expect.any(String) })
    const after = remembering(GIVEN, [begun], MANIFEST.expiresAt)
    expect(lineOf(after, MANIFEST, 0)).toMatchObject({ kind: 'live', invoice: null })
    // What was there before has not changed with it.
    expect(lineOf(GIVEN, MANIFEST, 0)).toMatchObject({ invoice: expect.any(String) })
  })
})
