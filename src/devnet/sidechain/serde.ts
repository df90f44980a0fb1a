import { unreachable } from '../../lib/assert.ts'
import type { PlacedJson } from './positioned-json.ts'

/**
 * Reads a value from JSON, or throws `Refusal`. These compose as the node's own deserialiser does,
 * so that what is refused is refused with the same words at the same place.
 */
export type Read<T> = (json: PlacedJson) => T

/** Why a value is not what a call needs; `end` is where the node's reader stood. */
export class Refusal extends Error {
  readonly end: number
  constructor(message: string, end: number) {
    super(message)
    this.end = end
  }
}

export type ReadOutcome<T> =
  | { readonly kind: 'value'; readonly value: T }
  /** In serde's words, with line and column. */
  | { readonly kind: 'refused'; readonly text: string }

/**
 * The one place where a refusal is caught.
 *
 * @param source the whole text of the request
 * @param from offset that the node counts lines and columns from
 */
export function readWith<T>(
  read: Read<T>,
  json: PlacedJson,
  { source, from }: { readonly source: string; readonly from: number },
): ReadOutcome<T> {
  try {
    return { kind: 'value', value: read(json) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const before = source.slice(from, error.end)
    const line = before.split('\n').length
    const column = before.length - (before.lastIndexOf('\n') + 1)
    return { kind: 'refused', text: `${error.message} at line ${line} column ${column}` }
  }
}

function wrongType(json: PlacedJson, expected: string): Refusal {
  return new Refusal(`invalid type: ${nameOf(json)}, expected ${expected}`, json.end)
}

function nameOf(json: PlacedJson): string {
  switch (json.kind) {
    case 'null':
      return 'null'
    case 'boolean':
      return `boolean \`${json.value}\``
    case 'number':
      return /[.eE]/.test(json.text)
        ? `floating point \`${json.text}\``
        : `integer \`${json.text}\``
    case 'string':
      return `string ${JSON.stringify(json.value)}`
    case 'array':
      return 'sequence'
    case 'object':
      return 'map'
    default:
      return unreachable(json)
  }
}

/** A whole number of so many bits, not negative. */
function unsigned(bits: 8 | 32 | 64): Read<bigint> {
  return json => {
    if (json.kind !== 'number' || /[.eE]/.test(json.text)) throw wrongType(json, `u${bits}`)
    const value = BigInt(json.text)
    if (value < 0n || value >= 1n << BigInt(bits))
      throw new Refusal(`invalid value: integer \`${json.text}\`, expected u${bits}`, json.end)
    return value
  }
}

export const readU64: Read<bigint> = unsigned(64)
export const readU32: Read<number> = json => Number(unsigned(32)(json))
export const readByte: Read<number> = json => Number(unsigned(8)(json))

export const readText: Read<string> = json => {
  if (json.kind !== 'string') throw wrongType(json, 'a string')
  return json.value
}

export const readBoolean: Read<boolean> = json => {
  if (json.kind !== 'boolean') throw wrongType(json, 'a boolean')
  return json.value
}

/** Null, a missing field or a missing parameter, where the node takes an Option. */
export function optional<T>(read: Read<T>): Read<T | null> {
  return json => (json.kind === 'null' ? null : read(json))
}

export function listOf<T>(read: Read<T>): Read<readonly T[]> {
  return json => {
    if (json.kind !== 'array') throw wrongType(json, 'a sequence')
    return json.items.map(item => read(item.value))
  }
}

/** A list of exactly so many bytes. */
export function bytesOf(length: number): Read<Uint8Array> {
  return json => {
    const bytes = listOf(readByte)(json)
    if (bytes.length !== length)
      throw new Refusal(
        `invalid length ${bytes.length}, expected an array of length ${length}`,
        json.end,
      )
    return Uint8Array.from(bytes)
  }
}

export function pairOf<A, B>(first: Read<A>, second: Read<B>): Read<readonly [A, B]> {
  return json => {
    if (json.kind !== 'array') throw wrongType(json, 'a tuple of size 2')
    const [a, b] = json.items
    if (!a || !b || json.items.length > 2)
      throw new Refusal(`invalid length ${json.items.length}, expected a tuple of size 2`, json.end)
    return [first(a.value), second(b.value)]
  }
}

/** A struct's field; unknown keys are ignored, a missing one is named. */
export function field<T>(json: PlacedJson, name: string, read: Read<T>): T {
  if (json.kind !== 'object') throw wrongType(json, 'a struct')
  const value = json.fields.get(name)
  if (value === undefined) throw new Refusal(`missing field \`${name}\``, json.end)
  return read(value)
}

/** An enum's case, as `{"Name": content}`. */
export function variant<T>(json: PlacedJson, cases: Readonly<Record<string, Read<T>>>): T {
  const names = Object.keys(cases)
  const [entry, ...more] = json.kind === 'object' ? json.fields : []
  if (!entry || more.length > 0) throw wrongType(json, 'an enum')
  const [name, content] = entry
  const read = cases[name]
  if (read === undefined) {
    const known = names.map(each => `\`${each}\``).join(', ')
    throw new Refusal(`unknown variant \`${name}\`, expected one of ${known}`, json.end)
  }
  return read(content)
}
