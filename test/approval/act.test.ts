import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  type Act,
  actHash,
  isSecretKey,
  parseOperatorKey,
  signAct,
  verifyAct,
  verifySignature,
} from '../../src/approval/act.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { digest } from '../../src/lib/ids.ts'

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
const SECRET = new Uint8Array(32).fill(1)
const APPROVE: Act = { kind: 'approve' }
const approval = signAct(SECRET, APPROVE, HASH)

test('acts of different kinds never share a hash', () => {
  const reject = (reason: string) => actHash({ kind: 'reject', reason }, HASH)
  const hashes = [actHash(APPROVE, HASH), reject(''), reject('a'), actHash(APPROVE, OTHER)]
  expect(new Set(hashes.map(String)).size).toBe(hashes.length)
})

test('an act that was signed verifies, and a key that is no point is no key', () => {
  expect(verifyAct(approval)).toBe(true)
  expect(parseOperatorKey('f'.repeat(64))).toBeNull()
  expect(parseOperatorKey(approval.operator.toUpperCase())).toBeNull()
})

test('a secret key is 32 bytes below the order of the curve, and not zero', () => {
  expect(isSecretKey(SECRET)).toBe(true)
  expect(isSecretKey(SECRET.slice(1))).toBe(false)
  expect(isSecretKey(new Uint8Array(32))).toBe(false)
  expect(isSecretKey(new Uint8Array(32).fill(255))).toBe(false)
})
