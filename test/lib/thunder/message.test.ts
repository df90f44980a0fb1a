import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, utf8 } from '../../../src/lib/bytes.ts'
import { verifyThunderMessage } from '../../../src/lib/thunder/message.ts'
import vectors from '../../vectors/thunder-key.json' with { type: 'json' }

const MESSAGE = 'sidepool payout settings'
const [first, second] = vectors.valid
if (!first || !second) throw new Error('there are vectors')
const publicKey = fromHex(first.publicKey)
const signature = ed25519.sign(utf8(MESSAGE), fromHex(first.privateKey))

describe('a Thunder address', () => {
  test('signs by the key that it is the hash of', () => {
    for (const { address, ...keys } of vectors.valid) {
      const own = ed25519.sign(utf8(MESSAGE), fromHex(keys.privateKey))
      const proof = { publicKey: fromHex(keys.publicKey), signature: own }
      expect(verifyThunderMessage(address, MESSAGE, proof)).toEqual({ kind: 'signed' })
    }
  })

  test('does not sign by another key, another message or with any bit changed', () => {
    const proof = { publicKey, signature }
    expect(verifyThunderMessage(second.address, MESSAGE, proof).kind).toBe('refused')
    expect(verifyThunderMessage(first.address, `${MESSAGE} `, proof).kind).toBe('refused')
    const other = { publicKey: fromHex(second.publicKey), signature }
    expect(verifyThunderMessage(first.address, MESSAGE, other).kind).toBe('refused')
    const bit = fc.integer({ min: 0, max: 96 * 8 - 1 })
    fc.assert(
      fc.property(bit, at => {
        const bytes = Uint8Array.from([...publicKey, ...signature])
        bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7))
        const changed = { publicKey: bytes.slice(0, 32), signature: bytes.slice(32) }
        expect(verifyThunderMessage(first.address, MESSAGE, changed).kind).toBe('refused')
      }),
    )
  })

  test('is refused and no error with bytes that are no key or no signature', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ maxLength: 70 }),
        (key, bytes) => {
          const proof = { publicKey: key, signature: bytes }
          expect(verifyThunderMessage(first.address, MESSAGE, proof).kind).toBe('refused')
          const long = {
            publicKey,
            signature: Uint8Array.from({ length: 64 }, (_, i) => bytes[i] ?? 255),
          }
          expect(verifyThunderMessage(first.address, MESSAGE, long).kind).toBe('refused')
        },
      ),
    )
    const proof = { publicKey, signature }
    expect(verifyThunderMessage(first.address, 'a'.repeat(5000), proof).kind).toBe('refused')
  })
})
