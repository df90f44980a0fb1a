import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type CoinbaseMessage,
  descriptionBytes,
  descriptionHash,
  messageScript,
  readMessage,
} from '../../src/bmm/messages.ts'
import { readRequest, requestScript } from '../../src/bmm/request.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { blockHash } from '../../src/lib/ids.ts'
import vectors from '../vectors/bmm-messages.json' with { type: 'json' }

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const slot = fc.integer({ min: 0, max: 255 })
const hex64 = bytes(32).map(toHex)

const message: fc.Arbitrary<CoinbaseMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('M1' as const),
    slot,
    description: fc.uint8Array({ maxLength: 600 }),
  }),
  fc.record({ kind: fc.constant('M2' as const), slot, descriptionHash: bytes(32) }),
  fc.record({ kind: fc.constant('M3' as const), slot, bundle: bytes(32) }),
  fc.record({ kind: fc.constant('M7' as const), slot, sideBlock: hex64 }),
  fc.record({
    kind: fc.constant('M4' as const),
    votes: fc.oneof(
      fc.constant({ kind: 'repeat previous' as const }),
      fc.constant({ kind: 'leading by 50' as const }),
      fc.record({
        kind: fc.constant('one byte' as const),
        votes: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 256 }),
      }),
      fc.record({
        kind: fc.constant('two bytes' as const),
        votes: fc.array(fc.integer({ min: 0, max: 65_535 }), { maxLength: 256 }),
      }),
    ),
  }),
)

describe('a coinbase message', () => {
  for (const { script, kind, ...rest } of vectors.messages)
    test(`${kind} ${script} is read and written byte for byte`, () => {
      const read = readMessage(fromHex(script))
      expect(read).toMatchObject({ kind, ...rest })
      expect(read && toHex(messageScript(read))).toBe(script)
    })

  test('names slot 9 and its hash in the order of the bytes', () => {
    const [m7] = vectors.messages.filter(({ kind }) => kind === 'M7')
    expect(readMessage(fromHex(m7?.script ?? ''))).toEqual({
      kind: 'M7',
      slot: 9,
      sideBlock: '1200007c0ca1efd8d128fedf50c73f395b0cceb0ffa823edbd971b4afd913021',
    })
  })

  test('M1 carries a declaration whose double hash an M2 names', () => {
    const { title, text, script, hash } = vectors.declaration
    const description = descriptionBytes({
      title: utf8(title),
      text: utf8(text),
      hashId1: new Uint8Array(32).fill(0x11),
      hashId2: new Uint8Array(20).fill(0x22),
    })
    expect(toHex(messageScript({ kind: 'M1', slot: 9, description }))).toBe(script)
    expect(toHex(descriptionHash(description))).toBe(hash)
    expect(readMessage(fromHex(script))).toEqual({ kind: 'M1', slot: 9, description })
  })

  for (const script of vectors.otherPushes)
    test(`counts also when its push is longer than it need be: ${script.slice(0, 12)}`, () =>
      expect(readMessage(fromHex(script))).toMatchObject({ kind: 'M7', slot: 9 }))

  for (const script of vectors.ordinary)
    test(`is not in the ordinary script "${script}"`, () =>
      expect(readMessage(fromHex(script))).toBeNull())

  test('is what it was after writing and reading', () =>
    fc.assert(
      fc.property(message, each => {
        expect(readMessage(messageScript(each))).toEqual(each)
      }),
    ))

  test('of any bytes never breaks the reader', () =>
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), each => void readMessage(each))))
})

describe('a bid', () => {
  for (const { script, previousBlock, ...rest } of vectors.requests)
    test(`for slot ${rest.slot} is read and written byte for byte`, () => {
      const request = { ...rest, previousBlock: blockHash(previousBlock) }
      expect(readRequest(fromHex(script))).toEqual(request)
      expect(toHex(requestScript(request))).toBe(script)
    })

  test('has one encoding only', () => {
    const script = vectors.requests[0]?.script ?? ''
    const others = [
      script.slice(0, -2),
      `${script}00`,
      script.replace('6a44', '6a4c44'),
      script.replace('00bf00', '00bf01'),
      script.replace('6a', '61'),
    ]
    for (const other of others) expect(readRequest(fromHex(other)), other).toBeNull()
  })

  test('is what it was after writing and reading', () =>
    fc.assert(
      fc.property(slot, hex64, hex64, (s, sideBlock, previous) => {
        const request = { slot: s, sideBlock, previousBlock: blockHash(previous) }
        expect(readRequest(requestScript(request))).toEqual(request)
      }),
    ))
})
