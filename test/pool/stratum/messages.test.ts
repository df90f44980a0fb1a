import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRequest } from '../../../src/pool/stratum/messages.ts'
import { lineOf } from '../../../src/pool/stratum/replies.ts'

const parse = (message: unknown) => parseRequest(JSON.stringify(message))
const notify = () => 'unused'

describe('an id', () => {
  for (const id of [1, 0, -1, 'a', '1', null, 1.5])
    test(`${JSON.stringify(id)} comes back in its own type`, () => {
      const request = parse({ id, method: 'mining.ping', params: [] })
      expect(request).toEqual({ kind: 'ping', id })
    })
  test('that is missing comes back as null', () => {
    expect(parse({ method: 'mining.ping' })).toEqual({ kind: 'ping', id: null })
  })
  for (const id of [{}, [], true, 'x'.repeat(65)])
    test(`${JSON.stringify(id).slice(0, 10)} is refused`, () => {
      expect(parse({ id, method: 'mining.ping' })).toMatchObject({ kind: 'bad request', id: null })
    })
})

describe('what is no request gets an error', () => {
  const table: [string, string][] = [
    ['text', 'hello'],
    ['an empty object', '{}'],
    ['a number', '1'],
    ['an array', '[]'],
    ['null', 'null'],
    ['half an object', '{"id":1,"method":"mining.sub'],
    [
      'deep nesting',
      `{"id":1,"method":"mining.ping","params":${'['.repeat(3000)}${']'.repeat(3000)}}`,
    ],
    ['a method that is a number', '{"id":1,"method":5,"params":[]}'],
    ['inherited names', '{"id":1,"method":"constructor","params":[]}'],
    ['a prototype', '{"__proto__":{"method":"mining.ping"},"id":1}'],
    ['an unknown method', '{"id":1,"method":"mining.nonsense","params":[]}'],
    ['params that are an object', '{"id":1,"method":"mining.subscribe","params":{}}'],
    ['params that are a string', '{"id":1,"method":"mining.subscribe","params":"x"}'],
    ['too many params', `{"id":1,"method":"mining.ping","params":[${'1,'.repeat(16)}1]}`],
    ['an authorize without params', '{"id":1,"method":"mining.authorize"}'],
    ['an authorize of null', '{"id":1,"method":"mining.authorize","params":null}'],
    ['a username of a number', '{"id":1,"method":"mining.authorize","params":[5,"x"]}'],
    ['a configure without extensions', '{"id":1,"method":"mining.configure","params":[]}'],
    ['a difficulty of zero', '{"id":1,"method":"mining.suggest_difficulty","params":[0]}'],
    ['a difficulty of text', '{"id":1,"method":"mining.suggest_difficulty","params":["hard"]}'],
    [
      'a difficulty in words of a program',
      '{"id":1,"method":"mining.suggest_difficulty","params":["1e9"]}',
    ],
    [
      'more values than any client has',
      `{"id":1,"method":"mining.ping","params":[[${'1,'.repeat(255)}1]]}`,
    ],
    [
      'more keys than any client has',
      `{"id":1,"method":"mining.ping","params":[{${'"a":1,'.repeat(127)}"a":1}]}`,
    ],
    ['a target that is no hex', '{"id":1,"method":"mining.suggest_target","params":["0xff"]}'],
  ]
  for (const [name, line] of table)
    test(name, () => {
      expect(parseRequest(line)).toMatchObject({ kind: 'bad request' })
    })
  test('a username of 100,000 characters', () => {
    const request = parse({ id: 1, method: 'mining.authorize', params: ['x'.repeat(100_000), ''] })
    expect(request).toMatchObject({ kind: 'bad request', id: 1, error: { code: 24 } })
  })
  test('brackets inside of a string are no nesting', () => {
    const line = { id: 1, method: 'mining.authorize', params: [`"${'[{'.repeat(20)}\\`, ''] }
    expect(parse(line)).toMatchObject({ kind: 'authorize', username: line.params[0] })
  })
  test('any text at all gives a request', () => {
    fc.assert(fc.property(fc.string(), text => void parseRequest(text)))
    fc.assert(fc.property(fc.json(), text => void parseRequest(text)))
  })
})

describe('an answer to a ping', () => {
  const answers = [
    '{"id":1,"result":"pong","error":null}',
    '{"id":1,"method":"pong","params":[]}',
    '{"id":1,"method":"mining.pong"}',
  ]
  for (const line of answers)
    test(`${line} is not answered again`, () => {
      expect(parseRequest(line)).toMatchObject({ kind: 'response', text: 'pong' })
    })
})

describe('mining.submit', () => {
  const good = ['w', 'bf', '0000000000000004', '4966bc61', '9962e301']
  const submit = (params: unknown) => parse({ id: 4, method: 'mining.submit', params })
  const withField = (at: number, value: unknown) =>
    submit(good.map((field, index) => (index === at ? value : field)))

  test('reads hex as the integers that go into the header', () => {
    expect(submit([...good, '00004000'])).toMatchObject({
      kind: 'submit',
      username: 'w',
      submission: {
        jobName: 'bf',
        extranonce2: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 4),
        ntime: 0x4966bc61,
        nonce: 0x9962e301,
        versionBits: 0x4000,
      },
    })
  })
  const folded: [string, number, string, string][] = [
    ['capitals of extranonce2', 2, '00000000000000AB', '00000000000000ab'],
    ['capitals of ntime', 3, '4966BC61', '4966bc61'],
    ['capitals of nonce', 4, '9962E301', '9962e301'],
    ['missing zeros of nonce', 4, 'e301', '0000e301'],
  ]
  for (const [name, at, spelling, canonical] of folded)
    test(`${name} are another spelling of the same share`, () => {
      expect(withField(at, spelling)).toEqual(withField(at, canonical))
    })
  const wrong: [string, number, unknown, string][] = [
    ['a short extranonce2', 2, '00000004', 'bad-extranonce2'],
    ['a long extranonce2', 2, '000000000000000004', 'bad-extranonce2'],
    ['a tail of extranonce2', 2, '000000000000000g', 'bad-extranonce2'],
    ['a space in extranonce2', 2, ' 00000000000000f', 'bad-extranonce2'],
    ['an extranonce2 of a number', 2, 4, 'bad-extranonce2'],
    ['0x before ntime', 3, '0x66bc61', 'malformed'],
    ['a short ntime', 3, '66bc61', 'malformed'],
    ['0x before nonce', 4, '0x62e301', 'malformed'],
    ['a sign before nonce', 4, '-962e301', 'malformed'],
    ['a long nonce', 4, '009962e301', 'malformed'],
    ['an empty nonce', 4, '', 'malformed'],
    ['a null nonce', 4, null, 'malformed'],
    ['a job of a number', 1, 5, 'malformed'],
    ['a username of an object', 0, {}, 'malformed'],
  ]
  for (const [name, at, value, reason] of wrong)
    test(`${name} is ${reason}`, () => {
      expect(withField(at, value)).toMatchObject({ kind: 'bad submit', reason })
    })
  test('too few params are malformed or have a bad extranonce2', () => {
    for (let count = 0; count < good.length; count++)
      expect(submit(good.slice(0, count)).kind).toBe('bad submit')
  })
  test('version bits that are no hex are malformed', () => {
    expect(submit([...good, 'zz'])).toMatchObject({ kind: 'bad submit', reason: 'malformed' })
  })
})

describe('wishes', () => {
  const wishes: [string, number | null, number | null][] = [
    ['d=1024', 10, null],
    ['x,diff=1000', 10, null],
    ['d=0.3;m=solo', -2, null],
    ['d=0.4;m=solo', -1, null],
    ['d=600,md=600', 9, 10],
    ['x,md=16', null, 4],
    ['d=1024,md=512', 10, 9],
    ['d=nothing,diff=8', 3, null],
    ['d=4 d=8', 2, null],
    ['x', null, null],
    ['', null, null],
    ['d=0', null, null],
    ['d=1e9', null, null],
    ['d=-4', null, null],
    ['d=', null, null],
    ['id=5', null, null],
    [`${'x,'.repeat(16)}d=8`, null, null],
    [`${'x'.repeat(256)},d=8`, null, null],
  ]
  const asText = (log2: number | null) => (log2 === null ? 'nothing' : `2^${log2}`)
  for (const [password, wishLog2, minimumLog2] of wishes)
    test(`password ${password} asks for ${asText(wishLog2)}, at least ${asText(minimumLog2)}`, () => {
      const request = parse({ id: 1, method: 'mining.authorize', params: ['w', password] })
      expect(request).toEqual({ kind: 'authorize', id: 1, username: 'w', wishLog2, minimumLog2 })
    })
  test('a difficulty that firmware wrote as text is the number', () => {
    const ask = (value: unknown) =>
      parse({ id: 1, method: 'mining.suggest_difficulty', params: [value] })
    expect(ask('1000')).toEqual(ask(1000))
  })
  test('a suggested target is rounded to the next harder power of two', () => {
    const target = `00000000${'ffff'}${'0'.repeat(52)}`
    const ask = (hex: string) => parse({ id: 1, method: 'mining.suggest_target', params: [hex] })
    expect(ask(target)).toMatchObject({ wishLog2: 0 })
    expect(ask(target.replace('ffff', 'fffe'))).toMatchObject({ wishLog2: 1 })
  })
  test('an agent is cut and cleaned', () => {
    const request = parse({ id: 1, method: 'mining.subscribe', params: [`a\nb${'c'.repeat(300)}`] })
    expect(request).toMatchObject({ agent: `a?b${'c'.repeat(197)}` })
  })
})

describe('a reply', () => {
  test('has both result and error', () => {
    expect(lineOf({ kind: 'true', id: 'a' }, notify)).toBe(
      '{"id":"a","result":true,"error":null}\n',
    )
    const error = { code: 21, text: 'stale' } as const
    expect(lineOf({ kind: 'error', id: null, error }, notify)).toBe(
      '{"id":null,"result":null,"error":[21,"stale",null]}\n',
    )
  })
  test('says a difficulty as an exact decimal', () => {
    const say = (difficultyLog2: number) =>
      /\[(.*)\]/.exec(lineOf({ kind: 'set difficulty', difficultyLog2 }, notify))?.[1]
    expect([10, 0, -8, 60].map(say)).toEqual(['1024', '1', '0.00390625', '1152921504606846976'])
    expect(say(-30)).toBe('0.000000000931322574615478515625')
  })
  test('answers an extension called __proto__ like any other', () => {
    const results = [['__proto__', false]] as const
    const line = lineOf({ kind: 'configured', id: 1, results }, notify)
    expect(line).toBe('{"id":1,"result":{"__proto__":false},"error":null}\n')
  })
})
