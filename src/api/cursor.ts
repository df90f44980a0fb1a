import { Problem } from './errors.ts'

/** Longer ones were never given out. */
const CURSOR_CHARACTERS_MAX = 160
const INT8_MAX = 2n ** 63n - 1n

/** Where a list goes on: which list it is, and the keys of the last item that was given. */
export function encodeCursor(list: string, keys: readonly (bigint | number | string)[]): string {
  return Buffer.from([list, ...keys].join(' ')).toString('base64url')
}

/**
 * Reads a cursor's keys back.
 *
 * @throws Problem `invalid-cursor` unless this list gave it
 */
export function decodeCursor(list: string, cursor: string, count: number): readonly string[] {
  if (cursor.length > CURSOR_CHARACTERS_MAX || !/^[\w-]+$/.test(cursor)) throw invalid()
  const [, ...keys] = Buffer.from(cursor, 'base64url').toString('utf8').split(' ')
  // Writing it again catches another list's name, and every other spelling of the same keys.
  if (keys.length !== count || encodeCursor(list, keys) !== cursor) throw invalid()
  return keys
}

/** A key that is a row's number. @throws Problem `invalid-cursor` */
export function numberKey(key: string | undefined): bigint {
  if (key === undefined || !/^[1-9]\d{0,18}$/.test(key)) throw invalid()
  const number = BigInt(key)
  if (number > INT8_MAX) throw invalid()
  return number
}

/** A key that is a block height. @throws Problem `invalid-cursor` */
export function heightKey(key: string | undefined): number {
  if (key === undefined || !/^(0|[1-9]\d{0,8})$/.test(key)) throw invalid()
  return Number(key)
}

/** A key that is a hash. @throws Problem `invalid-cursor` */
export function hashKey(key: string | undefined): string {
  if (key === undefined || !/^[0-9a-f]{64}$/.test(key)) throw invalid()
  return key
}

/** A list's page with where it goes on; fewer items than asked for mean that this was all. */
export function page<T, Item>(
  rows: readonly T[],
  limit: number,
  item: (row: T) => Item,
  cursorOf: (last: T) => string,
): { readonly items: Item[]; readonly nextCursor: string | null } {
  const last = rows.at(-1)
  const more = rows.length === limit && last !== undefined
  return { items: rows.map(item), nextCursor: more ? cursorOf(last) : null }
}

function invalid(): Problem {
  return new Problem('invalid-cursor')
}
