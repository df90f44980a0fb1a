/**
 * JSON that knows where each value ends. The real node names the place in its refusals
 * (`at line 1 column 39`), and a stand-in that answers word for word has to know it too.
 */
export type PlacedJson = {
  /** Offset in the whole text of the first character after the value. */
  readonly end: number
} & (
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** As written, since an amount must not pass through a float. */
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly PlacedItem[] }
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, PlacedJson> }
)

/** An array's item, with the offset of the first character after the bracket or comma before it. */
export type PlacedItem = { readonly after: number; readonly value: PlacedJson }

/** Deeper texts are refused: no call of a node has more levels, and each costs stack. */
const DEPTH_MAX = 64
const SPACE = /[ \t\n\r]*/y
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const WORD = /true|false|null/y

/** @returns null when the text is no JSON, or has more than its value in it */
export function readPlacedJson(text: string): PlacedJson | null {
  const cursor = { text, at: 0 }
  const value = readValue(cursor, 0)
  match(cursor, SPACE)
  return value !== null && cursor.at === text.length ? value : null
}

type Cursor = { readonly text: string; at: number }

function readValue(cursor: Cursor, depth: number): PlacedJson | null {
  if (depth > DEPTH_MAX) return null
  match(cursor, SPACE)
  const first = cursor.text[cursor.at]
  if (first === '{') return readObject(cursor, depth)
  if (first === '[') return readArray(cursor, depth)
  if (first === '"') return readString(cursor)
  const number = match(cursor, NUMBER)
  if (number !== null) return { kind: 'number', text: number, end: cursor.at }
  const word = match(cursor, WORD)
  if (word === null) return null
  if (word === 'null') return { kind: 'null', end: cursor.at }
  return { kind: 'boolean', value: word === 'true', end: cursor.at }
}

function readString(cursor: Cursor) {
  const quoted = match(cursor, STRING)
  if (quoted === null) return null
  // The pattern lets nothing through that this could refuse.
  const value = String(JSON.parse(quoted))
  return { kind: 'string' as const, value, end: cursor.at }
}

function readArray(cursor: Cursor, depth: number): PlacedJson | null {
  const items: PlacedItem[] = []
  cursor.at += 1
  if (skips(cursor, ']')) return { kind: 'array', items, end: cursor.at }
  while (true) {
    const after = cursor.at
    const value = readValue(cursor, depth + 1)
    if (value === null) return null
    items.push({ after, value })
    if (skips(cursor, ']')) return { kind: 'array', items, end: cursor.at }
    if (!skips(cursor, ',')) return null
  }
}

function readObject(cursor: Cursor, depth: number): PlacedJson | null {
  const fields = new Map<string, PlacedJson>()
  cursor.at += 1
  if (skips(cursor, '}')) return { kind: 'object', fields, end: cursor.at }
  while (true) {
    match(cursor, SPACE)
    const key = cursor.text[cursor.at] === '"' ? readString(cursor) : null
    if (key === null || !skips(cursor, ':')) return null
    const value = readValue(cursor, depth + 1)
    if (value === null) return null
    fields.set(key.value, value)
    if (skips(cursor, '}')) return { kind: 'object', fields, end: cursor.at }
    if (!skips(cursor, ',')) return null
  }
}

function skips(cursor: Cursor, sign: string): boolean {
  const start = cursor.at
  match(cursor, SPACE)
  const isThere = cursor.text[cursor.at] === sign
  cursor.at = isThere ? cursor.at + 1 : start
  return isThere
}

function match(cursor: Cursor, pattern: RegExp): string | null {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)?.[0] ?? null
  if (found !== null) cursor.at += found.length
  return found
}
