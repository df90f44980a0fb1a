import { expect, test } from 'vitest'
import { newsOnly } from '../../src/lib/news.ts'

function told() {
  const lines: string[] = []
  const tell = (fields: object, message: string) => {
    lines.push(`${JSON.stringify(fields)} ${message}`)
  }
  return { lines, of: newsOnly({ info: tell, warn: tell, error: tell }) }
}

test('of a topic only what is new is said', () => {
  const { lines, of } = told()
  for (let runs = 0; runs < 3; runs++) of('one').warn({ n: 1 }, 'waits')
  of('other').warn({ n: 1 }, 'waits')
  of('one').info({ n: 1 }, 'waits')
  of('one').info({ n: 2 }, 'waits')
  of('one').info({ n: 1 }, 'waits')
  expect(lines).toEqual([1, 1, 1, 2, 1].map(n => `{"n":${n}} waits`))
})

test('what was forgotten for others is said once more', () => {
  const { lines, of } = told()
  for (let topic = 0; topic <= 1000; topic++) of(`${topic}`).info({}, `${topic}`)
  of('1000').info({}, '1000')
  of('0').info({}, '0')
  expect(lines).toHaveLength(1002)
})
