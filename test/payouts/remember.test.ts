import { expect, test } from 'vitest'
import { remember } from '../../src/payouts/remember.ts'

test('a question is answered once while its answer is kept, and again when it was forgotten', () => {
  const asked: string[] = []
  const length = remember(text => {
    asked.push(text)
    return text.length
  }, 2)
  expect([length('a'), length('bb'), length('a')]).toEqual([1, 2, 1])
  expect(asked).toEqual(['a', 'bb'])
  expect([length('ccc'), length('a')]).toEqual([3, 1])
  expect(asked).toEqual(['a', 'bb', 'ccc', 'a'])
})
