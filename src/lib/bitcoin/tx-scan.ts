import { toHex } from '../bytes.ts'
import type { Txid } from '../ids.ts'
import { readCompactSize } from './tx.ts'

/** An input as it lies in the raw transaction. */
export type ScannedInput = {
  /** Where its outpoint begins: 32 bytes of txid in internal order, 4 of the output's index. */
  readonly outpointAt: number
  readonly hasScript: boolean
  readonly hasWitness: boolean
}

/** Where the parts of a raw transaction are. Nothing is copied: a template has thousands. */
export type ScannedTransaction = {
  readonly inputs: readonly ScannedInput[]
  /** Each output's script, a view into the transaction. */
  readonly scripts: readonly Uint8Array[]
}

const VERSION_BYTES = 4
const OUTPOINT_BYTES = 36
const TXID_BYTES = 32
const SEQUENCE_BYTES = 4
const VALUE_BYTES = 8
const LOCKTIME_BYTES = 4

/** Finds the parts of a raw transaction, with or without witness; null when the bytes are none. */
export function scanTransaction(bytes: Uint8Array): ScannedTransaction | null {
  const cursor = { at: VERSION_BYTES, isBroken: false }
  const hasWitness = bytes[cursor.at] === 0 && bytes[cursor.at + 1] === 1
  if (hasWitness) cursor.at += 2
  const inputs: { outpointAt: number; hasScript: boolean; hasWitness: boolean }[] = []
  for (let left = readSize(bytes, cursor); left > 0 && !cursor.isBroken; left--) {
    const outpointAt = cursor.at
    cursor.at += OUTPOINT_BYTES
    const scriptLength = readSize(bytes, cursor)
    cursor.at += scriptLength + SEQUENCE_BYTES
    inputs.push({ outpointAt, hasScript: scriptLength > 0, hasWitness: false })
  }
  const scripts: Uint8Array[] = []
  for (let left = readSize(bytes, cursor); left > 0 && !cursor.isBroken; left--) {
    cursor.at += VALUE_BYTES
    const length = readSize(bytes, cursor)
    scripts.push(bytes.subarray(cursor.at, cursor.at + length))
    cursor.at += length
  }
  if (hasWitness) for (const input of inputs) skipWitness(bytes, cursor, input)
  return !cursor.isBroken && cursor.at + LOCKTIME_BYTES === bytes.length
    ? { inputs, scripts }
    : null
}

type Cursor = { at: number; isBroken: boolean }

function skipWitness(bytes: Uint8Array, cursor: Cursor, input: { hasWitness: boolean }): void {
  const items = readSize(bytes, cursor)
  input.hasWitness = items > 0
  for (let left = items; left > 0 && !cursor.isBroken; left--) {
    const length = readSize(bytes, cursor)
    cursor.at += length
  }
}

/** Past the end every size is 0, so that every loop ends; the cursor remembers that it broke. */
function readSize(bytes: Uint8Array, cursor: Cursor): number {
  const first = bytes[cursor.at]
  if (first !== undefined && first < 0xfd) {
    cursor.at += 1
    return first
  }
  const size = cursor.at < bytes.length ? readCompactSize(bytes.subarray(cursor.at)) : null
  cursor.isBroken ||= size === null
  cursor.at += size?.length ?? 0
  return size?.n ?? 0
}

/** The outpoint that an input spends, as people write it: `txid:index`. */
export function outpointText(bytes: Uint8Array, { outpointAt }: ScannedInput): string {
  const indexAt = outpointAt + TXID_BYTES
  const txid = toHex(bytes.subarray(outpointAt, indexAt).slice().reverse())
  return `${txid}:${new DataView(bytes.buffer, bytes.byteOffset + indexAt, 4).getUint32(0, true)}`
}

/** A transaction with its parts; null where its bytes are none. */
export type ScannedEntry = {
  readonly txid: Txid
  readonly data: Uint8Array
  readonly scan: ScannedTransaction | null
}

/** For each transaction, by its place, the places of those before it whose outputs it spends. */
export type Parents = readonly (readonly number[])[]

/** Who spends whom. In a template parents come before their children (BIP 22). */
export function parentsOf(transactions: readonly ScannedEntry[]): Parents {
  const places = new Map<number, number[]>()
  const none: readonly number[] = []
  return transactions.map(({ txid, data, scan }, place) => {
    const parents = new Set<number>()
    for (const input of scan?.inputs ?? []) {
      for (const candidate of places.get(keyOfOutpoint(data, input.outpointAt)) ?? none) {
        const isParent = outpointText(data, input).startsWith(transactions[candidate]?.txid ?? ' ')
        if (isParent) parents.add(candidate)
      }
    }
    const key = Number.parseInt(txid.slice(0, KEY_DIGITS), 16)
    const same = places.get(key)
    if (same) same.push(place)
    else places.set(key, [place])
    return parents.size === 0 ? none : [...parents]
  })
}

/** Six bytes tell transactions apart well enough to look for the right one first. */
const KEY_DIGITS = 12

/** The same bytes as the first digits of the displayed txid, whose order is reversed. */
function keyOfOutpoint(bytes: Uint8Array, at: number): number {
  let key = 0
  for (let i = TXID_BYTES - 1; i >= TXID_BYTES - KEY_DIGITS / 2; i--)
    key = key * 256 + (bytes[at + i] ?? 0)
  return key
}

/** All of these transactions and whatever spends them, directly or not. */
export function withDescendants(places: Iterable<number>, parents: Parents): ReadonlySet<number> {
  const family = new Set(places)
  if (family.size === 0) return family
  parents.forEach((of, place) => {
    if (of.some(parent => family.has(parent))) family.add(place)
  })
  return family
}
