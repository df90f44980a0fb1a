import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const ROW = /^\| (\d+) \| ([^|]+) \| ([^|]+) \|$/gm
const PROOF = /^`([^`]+)`: (.+)$/
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

const page = readFileSync(join(ROOT, 'docs/faults.md'), 'utf8')
const faults = [...page.matchAll(ROW)].map(([, number, fault, tests]) => ({
  number: Number(number),
  fault: fault ?? '',
  proofs: (tests ?? '').split('<br>').map(text => PROOF.exec(text)),
}))

test('docs/faults.md has every fault of the main chain, Lightning, Thunder, queue and database, and approvals', () => {
  expect(faults.map(({ number }) => number)).toEqual([
    ...range(1, 43),
    ...range(45, 49),
    ...range(51, 52),
    ...range(54, 78),
  ])
})

for (const { number, fault, proofs } of faults) {
  test(`fault ${number}, ${fault}, has the tests that docs/faults.md names`, () => {
    for (const proof of proofs) {
      expect(proof).not.toBeNull()
      const [, file = '', title = ''] = proof ?? []
      expect(readFileSync(join(ROOT, 'test', file), 'utf8'), file).toContain(title)
    }
  })
}
