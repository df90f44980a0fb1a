/** Deepest nesting a client has a use for (configure: object, array, array); 6 is generous. */
const DEPTH_MAX = 6
/** Keys and values of one line, nested ones too; a configure with every extension has thirty. */
const ENTRIES_MAX = 256

/** JSON as it came, nothing known about it yet but that its nesting and size are bounded. */
export type Json = { readonly kind: 'json'; readonly value: unknown }
export type NotJson = { readonly kind: 'not json'; readonly why: string }

/**
 * Parses one line. Nesting and entries are counted before `JSON.parse` sees the text; the length of
 * a line is bounded by whoever cut it from the stream.
 */
export function parseJson(line: string): Json | NotJson {
  const { depth, entries } = measure(line)
  if (depth > DEPTH_MAX) return { kind: 'not json', why: 'nested too deeply' }
  if (entries > ENTRIES_MAX) return { kind: 'not json', why: 'too many keys or values' }
  try {
    return { kind: 'json', value: JSON.parse(line) }
  } catch {
    return { kind: 'not json', why: 'not JSON' }
  }
}

/**
 * Counts brackets, commas and colons outside of strings; text that is no JSON gives some numbers,
 * and fails later.
 */
function measure(text: string): { readonly depth: number; readonly entries: number } {
  let depth = 0
  let deepest = 0
  let entries = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (char === '"') quoted = !quoted
    else if (quoted) i += char === '\\' ? 1 : 0
    else if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth)
    else if (char === ']' || char === '}') depth--
    else if (char === ',' || char === ':') entries++
  }
  return { depth: deepest, entries }
}

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A key that the client itself wrote: `__proto__` and what objects inherit never count. */
export function ownValue(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
