import type { Request } from './messages.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const FIRST_PRINTABLE = 0x20
const LAST_PRINTABLE = 0x7e
/** Spaces of JSON: space, tab, line feed, carriage return. */
const isSpace = (byte: number | undefined) =>
  byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d

/** More digits may be no exact number. */
const ID_DIGITS_MAX = 15
const PARAMS_MIN = 5
const PARAMS_MAX = 6
const EXTRANONCE2_DIGITS = 16
const UINT32_DIGITS = 8

const HEX_VALUE = Int8Array.from({ length: 256 }, (_, byte) => {
  const digit = String.fromCharCode(byte)
  return /[0-9a-fA-F]/.test(digit) ? Number.parseInt(digit, 16) : -1
})

const bytesOf = (text: string) => Uint8Array.from(text, char => char.charCodeAt(0))
const ID = bytesOf('id')
const METHOD = bytesOf('method')
const PARAMS = bytesOf('params')
const SUBMIT = bytesOf('mining.submit')

/**
 * Reads `mining.submit` in the form that firmware sends it in, straight from the bytes of a line:
 *
 *     {"id":4,"method":"mining.submit","params":["name","1f","00…","6553f100","0a1b2c3d"]}
 *
 * The three keys come in any order, once each, with spaces wherever JSON has them; the id is a
 * whole number, and strings are printable ASCII without escapes.
 *
 * @returns null for everything else, also for what is wrong: the parser of all requests reads the
 *   line then. What is not null is what that parser would give.
 */
export function readSubmitLine(line: Buffer): Extract<Request, { kind: 'submit' }> | null {
  const reader = { line, at: 0 }
  let id: number | null = null
  let isSubmit = false
  let params: Spans | null = null
  if (!take(reader, OPEN_BRACE)) return null
  do {
    const key = takeString(reader)
    if (key === null || !take(reader, COLON)) return null
    if (id === null && isText(line, key, ID)) {
      id = takeId(reader)
      if (id === null) return null
    } else if (!isSubmit && isText(line, key, METHOD)) {
      const method = takeString(reader)
      isSubmit = method !== null && isText(line, method, SUBMIT)
      if (!isSubmit) return null
    } else if (params === null && isText(line, key, PARAMS)) {
      params = takeStrings(reader)
      if (params === null) return null
    } else {
      return null
    }
  } while (take(reader, COMMA))
  const isWhole = take(reader, CLOSE_BRACE) && next(reader) === undefined
  return isWhole && id !== null && isSubmit && params !== null ? submitOf(line, id, params) : null
}

/** What was read up to `at`. */
type Reader = { readonly line: Buffer; at: number }
/** A text between quotes: its first byte, and the quote behind it. */
type Span = { readonly from: number; readonly to: number }
type Spans = readonly Span[]

function submitOf(
  line: Buffer,
  id: number,
  params: Spans,
): Extract<Request, { kind: 'submit' }> | null {
  const [name, job, extranonce2, time, nonce, bits] = params
  if (!name || !job || !extranonce2 || !time || !nonce) return null
  const extranonce2Bytes = hexBytes(line, extranonce2, EXTRANONCE2_DIGITS / 2)
  const ntime = time.to - time.from === UINT32_DIGITS ? hexNumber(line, time) : null
  const nonceValue = hexNumber(line, nonce)
  const versionBits = bits ? hexNumber(line, bits) : null
  if (extranonce2Bytes === null || ntime === null || nonceValue === null) return null
  if (bits && versionBits === null) return null
  return {
    kind: 'submit',
    id,
    username: line.toString('latin1', name.from, name.to),
    submission: {
      jobName: line.toString('latin1', job.from, job.to),
      extranonce2: extranonce2Bytes,
      ntime,
      nonce: nonceValue,
      versionBits,
    },
  }
}

/** The next byte that is no space. */
function next(reader: Reader): number | undefined {
  while (isSpace(reader.line[reader.at])) reader.at += 1
  return reader.line[reader.at]
}

function take(reader: Reader, byte: number): boolean {
  if (next(reader) !== byte) return false
  reader.at += 1
  return true
}

function takeString(reader: Reader): Span | null {
  if (!take(reader, QUOTE)) return null
  const { line, at: from } = reader
  for (let to = from; to < line.length; to++) {
    const byte = line[to] ?? 0
    if (byte === QUOTE) {
      reader.at = to + 1
      return { from, to }
    }
    if (byte < FIRST_PRINTABLE || byte > LAST_PRINTABLE || byte === BACKSLASH) return null
  }
  return null
}

function takeStrings(reader: Reader): Spans | null {
  if (!take(reader, OPEN_BRACKET)) return null
  const spans: Span[] = []
  do {
    const span = takeString(reader)
    if (span === null || spans.length === PARAMS_MAX) return null
    spans.push(span)
  } while (take(reader, COMMA))
  return take(reader, CLOSE_BRACKET) && spans.length >= PARAMS_MIN ? spans : null
}

/** A whole number as JSON spells it: without sign, leading zeros, fraction or exponent. */
function takeId(reader: Reader): number | null {
  const first = next(reader)
  const { line, at: from } = reader
  let value = 0
  for (;;) {
    const byte = line[reader.at] ?? 0
    if (byte < DIGIT_0 || byte > DIGIT_9) break
    value = 10 * value + (byte - DIGIT_0)
    reader.at += 1
  }
  const digits = reader.at - from
  const isPlain = digits > 0 && digits <= ID_DIGITS_MAX && (digits === 1 || first !== DIGIT_0)
  return isPlain ? value : null
}

function isText(line: Buffer, { from, to }: Span, text: Uint8Array): boolean {
  if (to - from !== text.length) return false
  for (let i = 0; i < text.length; i++) if (line[from + i] !== text[i]) return false
  return true
}

/** One to eight digits. */
function hexNumber(line: Buffer, { from, to }: Span): number | null {
  if (to === from || to - from > UINT32_DIGITS) return null
  let value = 0
  for (let i = from; i < to; i++) {
    const digit = HEX_VALUE[line[i] ?? 0] ?? -1
    if (digit < 0) return null
    value = 16 * value + digit
  }
  return value
}

function hexBytes(line: Buffer, { from, to }: Span, length: number): Uint8Array | null {
  if (to - from !== 2 * length) return null
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const high = HEX_VALUE[line[from + 2 * i] ?? 0] ?? -1
    const low = HEX_VALUE[line[from + 2 * i + 1] ?? 0] ?? -1
    if (high < 0 || low < 0) return null
    bytes[i] = 16 * high + low
  }
  return bytes
}
