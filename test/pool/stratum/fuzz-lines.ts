import fc from 'fast-check'
import { LINE_BYTES_MAX, parseRequest } from '../../../src/pool/stratum/messages.ts'

const METHODS = [
  ...['mining.configure', 'mining.subscribe', 'mining.authorize', 'mining.submit'],
  ...['mining.suggest_difficulty', 'mining.suggest_target', 'mining.extranonce.subscribe'],
  ...['mining.get_transactions', 'mining.ping', 'mining.pong', 'pong', 'mining.nonsense'],
  ...['constructor', '__proto__', ''],
]
const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdefABCDEFxg '), { maxLength: digits })
    .map(it => it.join(''))

/** What stands where a parameter stands: right, nearly right, or anything. */
const param = fc.oneof(
  fc.constantFrom<unknown>('w', 'other', 'x', '1', 'ff', '6553f100', '00000001', '00'.repeat(8)),
  fc.constantFrom<unknown>('d=5,md=2', 'd=1e400', null, true, -1, 0.5, 2 ** 70, [], {}),
  fc.constantFrom<unknown>(['version-rolling'], { 'version-rolling.mask': '1fffe000' }),
  hex(18),
  fc.jsonValue({ maxDepth: 3 }),
)
const id = fc.oneof(fc.integer(), fc.string({ maxLength: 70 }), fc.constantFrom(null, {}, [], true))

/** A request as a client, or somebody who knows clients, might write it. */
const request = fc
  .record(
    {
      id,
      method: fc.oneof(fc.constantFrom(...METHODS), fc.string()),
      params: fc.oneof(fc.array(param, { maxLength: 8 }), fc.jsonValue()),
      result: fc.jsonValue({ maxDepth: 1 }),
    },
    { requiredKeys: [] },
  )
  .map(it => JSON.stringify(it))

/** A text with a piece cut out, doubled, or put in. */
const spoilt = fc
  .tuple(request, fc.nat(), fc.nat(20), fc.string({ maxLength: 10 }))
  .map(([text, at, cut, put]) => {
    const place = at % (text.length + 1)
    return text.slice(0, place) + put + text.slice(place + cut)
  })

/** A line without its end; what is longer than a line never comes here. */
export const fuzzedLine = fc
  .oneof(
    { weight: 5, arbitrary: request },
    { weight: 3, arbitrary: spoilt },
    { weight: 1, arbitrary: fc.string() },
    { weight: 1, arbitrary: fc.json() },
  )
  .map(text => text.replaceAll('\n', ' ').slice(0, LINE_BYTES_MAX))

/** Whatever a line holds, it is a request, its id is the line's or null, and reading it twice is the same. */
export function fuzzLines(numRuns: number, seed?: number): void {
  const line = fc.property(fuzzedLine, text => {
    const read = parseRequest(text)
    if (JSON.stringify(read) !== JSON.stringify(parseRequest(text)))
      throw new Error('read otherwise')
    if (read.id !== null && read.id !== JSON.parse(text).id) throw new Error('another id')
  })
  fc.assert(line, { numRuns, ...(seed === undefined ? {} : { seed }) })
}
