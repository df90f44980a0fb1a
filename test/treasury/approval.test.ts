import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { fromHex } from '../../src/lib/bytes.ts'
import { digest, unixMs } from '../../src/lib/ids.ts'
import {
  type Act,
  actHash,
  type BatchBeforeAct,
  isApproved,
  judge,
  type Policy,
  parseOperatorKey,
  REASON_CHARACTERS_MAX,
  signAct,
  verifyAct,
  verifySignature,
} from '../../src/treasury/approval.ts'

const vector = z.object({
  index: z.number(),
  publicKey: z.string(),
  message: z.string(),
  signature: z.string(),
})
const vectors = z
  .object({ valid: z.array(vector), invalid: z.array(vector) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/bip340.json'), 'utf8')))

function verifies({ publicKey, message, signature }: z.infer<typeof vector>): boolean {
  const key = parseOperatorKey(publicKey)
  return key !== null && verifySignature(key, fromHex(message), fromHex(signature))
}

for (const each of vectors.valid)
  test(`signature ${each.index} of BIP 340 verifies`, () => expect(verifies(each)).toBe(true))
for (const each of vectors.invalid)
  test(`signature ${each.index} of BIP 340 is refused`, () => expect(verifies(each)).toBe(false))

const HASH = digest('ab'.repeat(32))
const OTHER = digest('cd'.repeat(32))
const NOW = unixMs(1000)
const KEYS = [1, 2, 3, 4].map(n => new Uint8Array(32).fill(n))
const APPROVE: Act = { kind: 'approve' }
const approval = (operator: number) => signAct(KEYS[operator] ?? new Uint8Array(), APPROVE, HASH)
const rejection = (operator: number, reason = 'no') =>
  signAct(KEYS[operator] ?? new Uint8Array(), { kind: 'reject', reason }, HASH)
/** The fourth key is nobody's. */
const POLICY: Policy = {
  version: 1,
  threshold: 2,
  operators: [0, 1, 2].map(n => ({ name: `operator ${n}`, key: approval(n).operator })),
}
const BATCH: BatchBeforeAct = {
  manifestHash: HASH,
  expiresAt: unixMs(1001),
  decided: false,
  acts: [],
}
const given = (...operators: number[]) => ({ ...BATCH, acts: operators.map(approval) })
const refused = (reason: string) => ({ kind: 'refused', reason })
const accepted = (batch: string) => ({ kind: 'accepted', batch })

const cases = [
  ['a first approval waits for the second', BATCH, approval(0), accepted('waits')],
  ['the second approval is enough', given(0), approval(1), accepted('approved')],
  ['one rejection is enough', given(0), rejection(1), accepted('rejected')],
  ['an outdated hash', BATCH, { ...approval(0), manifestHash: OTHER }, refused('other manifest')],
  [
    'a signature over another manifest',
    BATCH,
    { ...signAct(KEYS[0] ?? new Uint8Array(), APPROVE, OTHER), manifestHash: HASH },
    refused('bad signature'),
  ],
  ['a stranger', BATCH, approval(3), refused('unknown operator')],
  [
    "another's signature",
    BATCH,
    { ...approval(0), signature: approval(1).signature },
    refused('bad signature'),
  ],
  [
    'a rejection offered as an approval',
    BATCH,
    { ...rejection(0), act: APPROVE },
    refused('bad signature'),
  ],
  [
    'a rejection with another reason',
    BATCH,
    { ...rejection(0), act: { kind: 'reject', reason: 'yes' } as const },
    refused('bad signature'),
  ],
  [
    'a short signature',
    BATCH,
    { ...approval(0), signature: new Uint8Array(63) },
    refused('bad signature'),
  ],
  ['a repeat', given(0), approval(0), refused('repeated')],
  ['a rejection after the own approval', given(0), rejection(0), refused('repeated')],
  ['one too late', { ...BATCH, expiresAt: NOW }, approval(0), refused('expired')],
  [
    'one after the decision',
    { ...given(0, 1), decided: true },
    approval(2),
    refused('already decided'),
  ],
  [
    'a reason too long',
    BATCH,
    rejection(0, 'x'.repeat(REASON_CHARACTERS_MAX + 1)),
    refused('reason too long'),
  ],
] as const

for (const [name, batch, act, verdict] of cases)
  test(`an act is judged: ${name}`, () => expect(judge(batch, POLICY, act, NOW)).toEqual(verdict))

test('acts of different kinds never share a hash', () => {
  const reject = (reason: string) => actHash({ kind: 'reject', reason }, HASH)
  const hashes = [actHash(APPROVE, HASH), reject(''), reject('a'), actHash(APPROVE, OTHER)]
  expect(new Set(hashes.map(String)).size).toBe(hashes.length)
})

test('approvals count by operator, under the policy of the moment, and none beside a rejection', () => {
  const both = [approval(0), approval(1)]
  expect(isApproved(HASH, POLICY, both)).toBe(true)
  expect(isApproved(HASH, POLICY, [approval(0), approval(0)])).toBe(false)
  expect(isApproved(HASH, POLICY, [approval(0), approval(3)])).toBe(false)
  expect(isApproved(OTHER, POLICY, both)).toBe(false)
  expect(isApproved(HASH, { ...POLICY, operators: POLICY.operators.slice(1) }, both)).toBe(false)
  expect(isApproved(HASH, { ...POLICY, threshold: 3 }, both)).toBe(false)
  expect(isApproved(HASH, POLICY, [...both, rejection(2)])).toBe(false)
  expect(isApproved(HASH, { ...POLICY, operators: [] }, both)).toBe(false)
  const stored = { ...approval(1), signature: approval(0).signature }
  expect(isApproved(HASH, POLICY, [approval(0), stored])).toBe(false)
  expect(() => isApproved(HASH, { ...POLICY, threshold: 0 }, [])).toThrow('at least one')
})

test('an act that was signed verifies, and a key that is no point is no key', () => {
  expect(verifyAct(approval(0))).toBe(true)
  expect(parseOperatorKey('f'.repeat(64))).toBeNull()
  expect(parseOperatorKey(approval(0).operator.toUpperCase())).toBeNull()
})
