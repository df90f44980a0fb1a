import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { createDuplicates } from '../../src/pool/duplicates.ts'
import { createHashSet } from '../../src/pool/hash-set.ts'

const hashOf = (n: number) => new Uint8Array(32).fill(n)

test('what could not be stored may be sent again', () => {
  const seen = createDuplicates()
  expect([seen.add(5, hashOf(1)), seen.add(5, hashOf(1)), seen.add(6, hashOf(1))]).toEqual([
    true,
    false,
    true,
  ])
  seen.remove(5, hashOf(1))
  expect(seen.add(5, hashOf(1))).toBe(true)
})

test('only the heights within reach are remembered', () => {
  const seen = createDuplicates()
  for (let height = 1; height <= 20; height++) seen.add(height, hashOf(1))
  expect(seen.add(20, hashOf(1))).toBe(false)
  expect(seen.add(12, hashOf(2))).toBe(true)
})

/** Hashes of which many share a slot, and some differ in one byte only. */
const crowded = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 0, max: 3 }))
  .map(([at, value]) => {
    const hash = new Uint8Array(32)
    hash[at] = value
    return hash
  })
const scattered = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('the set of hashes is a set, whatever is added, removed and asked for', () => {
  const acts = fc.array(
    fc.tuple(
      fc.constantFrom('add', 'add', 'has', 'remove'),
      fc.oneof(crowded, scattered),
      fc.integer({ min: 0, max: 500 }),
    ),
    { maxLength: 400 },
  )
  fc.assert(
    fc.property(acts, all => {
      const set = createHashSet()
      const model = new Set<string>()
      for (const [act, hash] of all) {
        const name = toHex(hash)
        if (act === 'add') {
          expect(set.add(hash)).toBe(!model.has(name))
          model.add(name)
        } else if (act === 'has') {
          expect(set.has(hash)).toBe(model.has(name))
        } else {
          set.remove(hash)
          model.delete(name)
        }
        expect(set.size()).toBe(model.size)
      }
      for (const [, hash] of all) expect(set.has(hash)).toBe(model.has(toHex(hash)))
    }),
  )
})

test('a set that grows and forgets keeps all that was not removed', () => {
  const set = createHashSet()
  const hashes = Array.from({ length: 40_000 }, (_, n) => {
    const hash = new Uint8Array(32)
    // All on one shelf, so that it grows often.
    new DataView(hash.buffer).setUint32(28, Math.imul(n, 2_654_435_761) >>> 0)
    return hash
  })
  for (const hash of hashes) expect(set.add(hash)).toBe(true)
  for (const [n, hash] of hashes.entries()) if (n % 2 === 0) set.remove(hash)
  for (const hash of hashes.slice(0, 1000)) set.add(hash)
  for (const [n, hash] of hashes.entries()) {
    const isKept = n % 2 === 1 || n < 1000
    if (set.has(hash) !== isKept) expect.fail(`hash ${n} is ${isKept ? 'lost' : 'kept'}`)
  }
  set.clear()
  expect([set.size(), set.has(hashOf(1))]).toEqual([0, false])
})
