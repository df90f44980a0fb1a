import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRequest } from '../../../src/pool/stratum/messages.ts'
import { lineOf } from '../../../src/pool/stratum/replies.ts'
import { readSubmitLine } from '../../../src/pool/stratum/submit-line.ts'

const NAME = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080.rig-1'
const PARAMS = [NAME, '1f', '00000000000000ff', '6553f100', '0a1b2c3d']

describe('a submission as firmware writes it is read from its bytes', () => {
  const text = (params: readonly unknown[]) => params.map(each => JSON.stringify(each))
  const lines: Readonly<Record<string, string>> = {
    'keys in one order': `{"id":4,"method":"mining.submit","params":[${text(PARAMS)}]}`,
    'keys in another': `{"params":[${text(PARAMS)}],"id":4,"method":"mining.submit"}`,
    'spaces, as Python and cgminer write them': `{"params": [${text(PARAMS).join(', ')}], "id": 0, "method": "mining.submit"}`,
    'spaces everywhere': ` {\t"id" : 12 , "method" : "mining.submit" , "params" : [ ${text(PARAMS).join(' , ')} ] } \r`,
    'version bits': `{"id":5,"method":"mining.submit","params":[${text([...PARAMS, '00004000'])}]}`,
    'a nonce without leading zeros, in capitals': `{"id":5,"method":"mining.submit","params":[${text([...PARAMS.slice(0, 4), 'AB'])}]}`,
  }
  for (const [name, line] of Object.entries(lines))
    test(name, () => {
      const request = readSubmitLine(Buffer.from(line))
      expect(request).not.toBeNull()
      expect(request).toEqual(parseRequest(line))
    })
})

describe('what is written otherwise is left to the parser of all requests', () => {
  const whole = (id: string, ...params: readonly string[]) =>
    `{"id":${id},"method":"mining.submit","params":[${params}]}`
  const good = PARAMS.map(each => JSON.stringify(each))
  const table: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['a submission that is cut short', whole('4', ...good).slice(0, -1)],
    ['something behind it', `${whole('4', ...good)} x`],
    ['a key twice', `{"id":4,${whole('5', ...good).slice(1)}`],
    ['another key', `{"jsonrpc":"2.0",${whole('5', ...good).slice(1)}`],
    ['no id', `{"method":"mining.submit","params":[${good}]}`],
    ['an id of text', whole('"4"', ...good)],
    ['an id with a leading zero', whole('04', ...good)],
    ['a negative id', whole('-4', ...good)],
    ['an id with a fraction', whole('4.0', ...good)],
    ['an id of 16 digits', whole('9007199254740993', ...good)],
    ['another method', whole('4', ...good).replace('submit', 'Submit')],
    ['four params', whole('4', ...good.slice(0, 4))],
    ['seven params', whole('4', ...good, '"1"', '"1"')],
    ['a number among the params', whole('4', ...good.slice(0, 4), '7')],
    ['null for version bits', whole('4', ...good, 'null')],
    ['an escape', whole('4', '"a\\u0062"', ...good.slice(1))],
    ['a letter beyond ASCII', whole('4', '"é"', ...good.slice(1))],
    ['a control character', whole('4', '"a\tb"', ...good.slice(1))],
    ['a short extranonce2', whole('4', '"w"', '"1"', '"00"', ...good.slice(3))],
    ['no hex', whole('4', ...good.slice(0, 4), '"0x12"')],
    ['a nonce of nine digits', whole('4', ...good.slice(0, 4), '"123456789"')],
    ['an empty nonce', whole('4', ...good.slice(0, 4), '""')],
    ['a time of seven digits', whole('4', ...good.slice(0, 3), '"6553f10"', '"00000000"')],
    ['commas at the ends', whole('4', ...good, '').replace('}', ',}')],
  ]
  for (const [name, line] of table)
    test(name, () => {
      expect(readSubmitLine(Buffer.from(line))).toBeNull()
    })
})

/** Lines near a submission: its parts in any order, spelled in many ways, and bytes changed. */
const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF'), minLength: 0, maxLength: digits })
const value = fc.oneof(
  hex(17).map(text => JSON.stringify(text)),
  fc.constantFrom(...PARAMS).map(text => JSON.stringify(text)),
  fc.json(),
)
const space = fc.constantFrom('', '', '', ' ', '\t', '\r', '\n', '\u00a0', '\v')
const id = fc.nat().map(each => `"id":${each}`)
const method = fc.constant('"method":"mining.submit"')
const goodParams = fc
  .tuple(hex(16), hex(8), hex(8), space)
  .map(
    ([a, b, c, gap]) =>
      `"params":["w",${gap}"1","${a.padEnd(16, '0')}","${b.padEnd(8, '1')}","${c}"]`,
  )
const anyParams = fc
  .tuple(fc.array(value, { maxLength: 7 }), space)
  .map(([values, gap]) => `"params":[${values.join(`,${gap}`)}]`)
const anyMember = fc.tuple(fc.json(), fc.json()).map(([a, b]) => `${a}:${b}`)
const members = fc.oneof(
  fc.tuple(id, method, goodParams),
  fc.tuple(id, method, anyParams),
  fc.array(fc.oneof(id, method, goodParams, anyParams, anyMember), { maxLength: 4 }),
)
const line = fc
  .tuple(
    members.chain(all => fc.shuffledSubarray([...all], { minLength: all.length })),
    space,
    space,
  )
  .map(([all, a, b]) => Buffer.from(`{${a}${all.join(`,${b}`)}}${b}`))
const changed = fc
  .tuple(line, fc.nat(), fc.integer({ min: 0, max: 255 }))
  .map(([bytes, at, byte]) => {
    bytes[at % bytes.length] = byte
    return bytes
  })

test('whatever is read from the bytes is what the parser of all requests reads', () => {
  let read = 0
  fc.assert(
    fc.property(fc.oneof(line, changed), bytes => {
      const request = readSubmitLine(bytes)
      if (request === null) return
      read += 1
      expect(request).toEqual(parseRequest(bytes.toString()))
    }),
    { numRuns: 5000 },
  )
  expect(read).toBeGreaterThan(100)
})

test('an accepted share is answered as any response is written', () => {
  const notify = () => 'unused'
  for (const id of [0, 4, -1, 1.5, 1e21, '4', null])
    expect(lineOf({ kind: 'true', id }, notify)).toBe(
      `${JSON.stringify({ id, result: true, error: null })}\n`,
    )
})
