/** Deepest nesting a client has a use for (configure: object, array, array); 6 is generous. */
const DEPTH_MAX = 6

/** JSON as it came, nothing known about it yet but that its nesting is bounded. */
export type Json = { readonly kind: 'json'; readonly value: unknown }
export type NotJson = { readonly kind: 'not json'; readonly why: string }

/**
 * Parses one line. Nesting is measured before `JSON.parse` sees the text; the length of a line is
 * bounded by whoever cut it from the stream.
 */
export function parseJson(line: string): Json | NotJson {
  if (depthOf(line) > DEPTH_MAX) return { kind: 'not json', why: 'nested too deeply' }
  try {
    return { kind: 'json', value: JSON.parse(line) }
  } catch {
    return { kind: 'not json', why: 'not JSON' }
  }
}

/** Counts brackets outside of strings; text that is no JSON gives some number, and fails later. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (char === '"') quoted = !quoted
    else if (quoted) i += char === '\\' ? 1 : 0
    else if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth)
    else if (char === ']' || char === '}') depth--
  }
  return deepest
}

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A key that the client itself wrote: `__proto__` and what objects inherit never count. */
export function ownValue(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
