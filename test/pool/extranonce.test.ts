import { expect, test } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { createExtranonces } from '../../src/pool/extranonce.ts'

test('without a prefix there is none', () => {
  expect(createExtranonces().take()).toBeNull()
})

test('a prefix gives each extranonce1 once and is then used up', () => {
  const extranonces = createExtranonces()
  extranonces.renew(0xff01)
  const seen = new Set<string>()
  for (let next = extranonces.take(); next; next = extranonces.take()) seen.add(toHex(next))
  expect(seen.size).toBe(65_536)
  expect(seen.has('ff010000') && seen.has('ff01ffff')).toBe(true)
  extranonces.renew(0xff02)
  expect(extranonces.take()).toEqual(Uint8Array.of(0xff, 2, 0, 0))
})
