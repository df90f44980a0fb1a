import { toHex } from './bytes.ts'

/** An address on the Internet: 4 or 16 bytes. One of IPv4 written as IPv6 is the former. */
export type IpAddress = Uint8Array

/** Addresses that begin with the same bits. */
export type IpNetwork = { readonly address: IpAddress; readonly bits: number }

const GROUPS = 8
/** What one subscriber has of IPv6; single addresses of it cost nothing. Source: RFC 6177. */
const IPV6_SUBSCRIBER_BYTES = 8
/** `::ffff:0:0/96`. Source: RFC 4291, 2.5.5.2. */
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

/** Null for what is no address. A zone (`%eth0`) says which of our links, and is left out. */
export function parseIp(text: string): IpAddress | null {
  const [address = ''] = text.split('%', 1)
  return address.includes(':') ? parseV6(address) : parseV4(address)
}

/** `10.0.0.0/8`, `2001:db8::/32`, or a single address. Null for what is neither. */
export function parseNetwork(text: string): IpNetwork | null {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text)
  const address = parseIp(match?.[1] ?? '')
  if (address === null) return null
  const bits = match?.[2] === undefined ? 8 * address.length : Number(match[2])
  return bits <= 8 * address.length ? { address, bits } : null
}

export function isWithin(address: IpAddress, network: IpNetwork): boolean {
  if (address.length !== network.address.length) return false
  return network.address.every((byte, at) => {
    const bits = Math.min(Math.max(network.bits - 8 * at, 0), 8)
    return ((byte ^ (address[at] ?? 0)) & (0xff00 >> bits)) % 256 === 0
  })
}

/** As people write it; IPv6 without abbreviations. */
export function ipText(address: IpAddress): string {
  if (address.length === 4) return address.join('.')
  const hex = toHex(address)
  return Array.from({ length: GROUPS }, (_, at) => hex.slice(4 * at, 4 * at + 4)).join(':')
}

/** Who it likely is: an address of IPv4, or a subscriber's network of IPv6. */
export function subscriberOf(address: IpAddress): string {
  if (address.length === 4) return ipText(address)
  return ipText(address.map((byte, at) => (at < IPV6_SUBSCRIBER_BYTES ? byte : 0)))
}

function parseV4(text: string): IpAddress | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (match === null) return null
  const numbers = match.slice(1).map(Number)
  return numbers.every(number => number <= 255) ? Uint8Array.from(numbers) : null
}

function parseV6(text: string): IpAddress | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  // The last four bytes may be written as of IPv4.
  const [head, tail] = halves.map((half, at) => parseGroups(half, at === halves.length - 1))
  if (head === null || tail === null || head === undefined) return null
  const missing = 2 * GROUPS - head.length - (tail?.length ?? 0)
  // Two colons stand for one group of zeros at least.
  if (tail === undefined ? missing !== 0 : missing < 2) return null
  const bytes = new Uint8Array(2 * GROUPS)
  bytes.set(head)
  bytes.set(tail ?? [], 2 * GROUPS - (tail?.length ?? 0))
  const isMapped = MAPPED.every((byte, at) => bytes[at] === byte)
  return isMapped ? bytes.slice(MAPPED.length) : bytes
}

function parseGroups(text: string, isEnd: boolean): readonly number[] | null {
  if (text === '') return []
  const groups = text.split(':', GROUPS + 1)
  const bytes: number[] = []
  for (const [at, group] of groups.entries()) {
    const quad = isEnd && at === groups.length - 1 ? parseV4(group) : null
    const value = /^[0-9a-fA-F]{1,4}$/.test(group) ? Number.parseInt(group, 16) : null
    if (quad !== null) bytes.push(...quad)
    else if (value !== null) bytes.push(value >> 8, value & 0xff)
    else return null
  }
  return bytes.length <= 2 * GROUPS ? bytes : null
}
