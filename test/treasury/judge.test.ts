import { expect, test } from 'vitest'
import { REASON_CHARACTERS_MAX, type SignedAct } from '../../src/approval/act.ts'
import { encodeManifest, manifestHash } from '../../src/approval/manifest.ts'
import type { CoinManifest } from '../../src/approval/manifest-shape.ts'
import type { SpendPolicy } from '../../src/approval/policy.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import {
  type ActVerdict,
  actorRefusal,
  type BatchBeforeAct,
  judgeAct,
} from '../../src/treasury/judge.ts'
import { manifestOfRow, NOW_MS } from '../payouts/batch-rows.ts'
import { APPROVE, NOTHING_SPENT, POLICY, POOL_KEY, person, REJECT, signedBy } from './approvers.ts'
import { keyOf } from './people.ts'

const NOW = unixMs(NOW_MS)
const manifestOver = (amount: bigint, more: Partial<CoinManifest> = {}): CoinManifest => ({
  ...manifestOfRow({ number: 1, payees: [['a', amount]] }),
  ...more,
})
const hashOf = (manifest: CoinManifest) => manifestHash(encodeManifest(manifest))
/** Takes two approvals. */
const MANIFEST = manifestOver(5000n)
const OWN = manifestOver(5000n, { excluded: ['alice'] })
const HASH = hashOf(MANIFEST)
const OTHER = hashOf(manifestOver(5001n))
const approval = (n: number) => signedBy(n, APPROVE, HASH)
const rejection = (n: number, reason = 'no') => signedBy(n, { kind: 'reject', reason }, HASH)
const batchOf = (manifest: CoinManifest, ...acts: readonly SignedAct[]): BatchBeforeAct => ({
  manifest,
  manifestHash: hashOf(manifest),
  takes: 'any act',
  acts,
})
const BATCH = batchOf(MANIFEST)
const after = (...acts: readonly SignedAct[]) => batchOf(MANIFEST, ...acts)
const refused = (reason: string) => ({ kind: 'refused', reason }) as ActVerdict
const accepted = (batch: 'waits' | 'approved' | 'rejected'): ActVerdict => ({
  kind: 'accepted',
  batch,
})

const cases: readonly (readonly [string, BatchBeforeAct, SignedAct, ActVerdict])[] = [
  ['a first approval waits for the second', BATCH, approval(1), accepted('waits')],
  ['the second approval is enough', after(approval(1)), approval(2), accepted('approved')],
  ['one rejection is enough', after(approval(1)), rejection(2), accepted('rejected')],
  [
    'a rejection of what is approved',
    after(approval(1), approval(2)),
    rejection(3),
    accepted('rejected'),
  ],
  [
    'a rejection after the own approval',
    after(approval(1), approval(2)),
    rejection(1),
    accepted('rejected'),
  ],
  [
    'a rejection of an own batch',
    batchOf(OWN),
    signedBy(1, REJECT, hashOf(OWN)),
    accepted('rejected'),
  ],
  [
    'an approval of an own batch',
    batchOf(OWN),
    signedBy(1, APPROVE, hashOf(OWN)),
    refused('own batch'),
  ],
  [
    'an own batch with the other key',
    batchOf(OWN),
    signedBy(11, APPROVE, hashOf(OWN)),
    refused('own batch'),
  ],
  ["another's batch", batchOf(OWN), signedBy(2, APPROVE, hashOf(OWN)), accepted('waits')],
  ['an outdated hash', BATCH, signedBy(1, APPROVE, OTHER), refused('other manifest')],
  [
    'a signature over another manifest',
    BATCH,
    { ...signedBy(1, APPROVE, OTHER), manifestHash: HASH },
    refused('bad signature'),
  ],
  ['a stranger', BATCH, approval(9), refused('unknown operator')],
  ["the pool's own key", BATCH, approval(POOL_KEY), refused('unknown operator')],
  ['a viewer', BATCH, approval(4), refused('not an approver')],
  ["a viewer's rejection", BATCH, rejection(4), refused('not an approver')],
  [
    "another's signature",
    BATCH,
    { ...approval(1), signature: approval(2).signature },
    refused('bad signature'),
  ],
  [
    'a rejection offered as an approval',
    BATCH,
    { ...rejection(1), act: APPROVE },
    refused('bad signature'),
  ],
  [
    'a rejection with another reason',
    BATCH,
    { ...rejection(1), act: { kind: 'reject', reason: 'yes' } },
    refused('bad signature'),
  ],
  [
    'a short signature',
    BATCH,
    { ...approval(1), signature: new Uint8Array(63) },
    refused('bad signature'),
  ],
  ['a repeat', after(approval(1)), approval(1), refused('repeated')],
  ['a repeat with the other key', after(approval(1)), approval(11), refused('repeated')],
  [
    'one at its expiry',
    batchOf({ ...MANIFEST, createdAt: unixMs(1), expiresAt: NOW }),
    signedBy(1, APPROVE, hashOf({ ...MANIFEST, createdAt: unixMs(1), expiresAt: NOW })),
    refused('expired'),
  ],
  [
    'an approval beyond the needed',
    after(approval(1), approval(2)),
    approval(3),
    refused('already decided'),
  ],
  ['an approval after a rejection', after(rejection(1)), approval(2), refused('already decided')],
  [
    'an approval after the signing',
    { ...after(approval(1)), takes: 'nothing' },
    approval(2),
    refused('already decided'),
  ],
  [
    'a rejection after the signing',
    { ...after(approval(1)), takes: 'nothing' },
    rejection(2),
    refused('already decided'),
  ],
  [
    'an approval beyond the needed, while whoever signs waits for more',
    { ...after(approval(1), approval(2)), takes: 'approvals' },
    approval(3),
    accepted('approved'),
  ],
  [
    'a rejection of what was given to be signed',
    { ...after(approval(1), approval(2)), takes: 'approvals' },
    rejection(3),
    refused('already decided'),
  ],
  [
    'a reason too long',
    BATCH,
    rejection(1, 'x'.repeat(REASON_CHARACTERS_MAX + 1)),
    refused('bad reason'),
  ],
  ['no reason', BATCH, rejection(1, ''), refused('bad reason')],
  ['a NUL in the reason', BATCH, rejection(1, 'a\0b'), refused('bad reason')],
  ['an escape in the reason', BATCH, rejection(1, 'a\u001b[2K'), refused('bad reason')],
  ['half a letter in the reason', BATCH, rejection(1, 'a\ud800'), refused('bad reason')],
]
for (const [name, batch, act, verdict] of cases)
  test(`an act is judged: ${name}`, () =>
    expect(judgeAct(POLICY, batch, act, { spent: NOTHING_SPENT, now: NOW })).toEqual(verdict))

const judge = (policy: SpendPolicy, batch: BatchBeforeAct, act: SignedAct) =>
  judgeAct(policy, batch, act, { spent: NOTHING_SPENT, now: NOW })

test('when an approver has left, another may approve what had enough of them', () => {
  const policy = { ...POLICY, operators: POLICY.operators.filter(({ alias }) => alias !== 'bob') }
  expect(judge(policy, after(approval(1), approval(2)), approval(3))).toEqual(accepted('approved'))
})

test('a new key approves again what the revoked one had, and the person counts once', () => {
  const others = POLICY.operators.filter(({ alias }) => alias !== 'bob')
  const policy = { ...POLICY, operators: [...others, person('bob', [22])] }
  expect(judge(policy, after(approval(2)), approval(22))).toEqual(accepted('waits'))
  expect(judge(policy, after(approval(2), approval(1)), approval(22))).toEqual(accepted('approved'))
})

test('a ceiling stops no act: it holds the batch back when it leaves', () => {
  const policy = { ...POLICY, limits: { ...POLICY.limits, perBatch: sats(1n) } }
  expect(judge(policy, after(approval(1)), approval(2))).toEqual(accepted('approved'))
})

test("a batch that the pool's key approved takes a person's no, and no further yes", () => {
  const auto = { poolKey: keyOf(POOL_KEY), perBatch: sats(9000n), perDay: sats(9000n) }
  const batch = after(approval(POOL_KEY))
  expect(judge({ ...POLICY, auto }, batch, rejection(1))).toEqual(accepted('rejected'))
  expect(judge({ ...POLICY, auto }, batch, approval(1))).toEqual(refused('already decided'))
})

test('who is no approver is refused without a word on the batch', () => {
  expect(actorRefusal(POLICY, approval(9), NOW)).toBe('unknown operator')
  expect(actorRefusal(POLICY, approval(4), NOW)).toBe('not an approver')
  expect(actorRefusal(POLICY, { ...approval(1), manifestHash: OTHER }, NOW)).toBe('bad signature')
  expect(actorRefusal(POLICY, signedBy(1, APPROVE, OTHER), NOW)).toBeNull()
})
