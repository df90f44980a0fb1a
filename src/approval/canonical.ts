import { assert } from '../lib/assert.ts'

/** What acts, events and manifests are made of once they are written down. */
export type Plain =
  | null
  | string
  | number
  | boolean
  | bigint
  | readonly Plain[]
  | { readonly [key: string]: Plain }

/**
 * The one spelling of a value, so that it has one hash: JSON with keys sorted by code unit and no
 * spaces, numbers whole, a bigint as decimal text.
 */
export function canonicalJson(value: Plain): string {
  if (typeof value === 'bigint') return `"${value}"`
  if (typeof value === 'number') assert(Number.isSafeInteger(value), 'a number here is whole')
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`).join(',')}}`
}

/** `Array.isArray` does not narrow a readonly array. */
function isList(value: object): value is readonly Plain[] {
  return Array.isArray(value)
}
