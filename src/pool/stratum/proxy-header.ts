import { bigintFromLe, equalBytes, reversed } from '../../lib/bytes.ts'
import { ipText, parseIp } from '../../lib/ip-address.ts'

/** Longest first line of version 1, its end included. Source: the specification, 2.1. */
const V1_BYTES_MAX = 107
/** Version 2's addresses and extras; a longer header is no proxy's of ours. */
const V2_LENGTH_MAX = 1024
const V2_SIGNATURE = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10)
const V2_FIXED_BYTES = 16
const V1_START = Uint8Array.from('PROXY ', letter => letter.charCodeAt(0))

/** Who connected to the proxy. */
export type ProxySource = { readonly host: string; readonly port: number }

export type ProxyHeader =
  /** @param source null where the proxy speaks for itself, as when it looks whether we are well */
  | { readonly kind: 'header'; readonly bytes: number; readonly source: ProxySource | null }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'none'; readonly why: string }

/**
 * Reads what a proxy puts before a connection's own bytes, in either version. It is believed from
 * proxies of our own only, and it must be there: who may say it and does not would pass for them.
 *
 * Source: haproxy.org, "The PROXY protocol", versions 1 and 2.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (startsWith(bytes, V2_SIGNATURE)) return readV2(bytes)
  if (startsWith(bytes, V1_START)) return readV1(bytes)
  const start = (whole: Uint8Array) => startsWith(whole, bytes)
  if (start(V2_SIGNATURE) || start(V1_START)) return { kind: 'incomplete' }
  return { kind: 'none', why: 'no PROXY header' }
}

function readV1(bytes: Uint8Array): ProxyHeader {
  const end = bytes.indexOf(10)
  if (end === -1 && bytes.length < V1_BYTES_MAX) return { kind: 'incomplete' }
  if (end === -1 || end >= V1_BYTES_MAX || bytes[end - 1] !== 13)
    return { kind: 'none', why: 'a PROXY line without an end' }
  const text = String.fromCharCode(...bytes.subarray(0, end - 1))
  const [, family, from = '', , port = ''] = text.split(' ')
  if (family === 'UNKNOWN') return { kind: 'header', bytes: end + 1, source: null }
  const address = parseIp(from)
  const isPort = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535
  if ((family !== 'TCP4' && family !== 'TCP6') || address === null || !isPort)
    return { kind: 'none', why: 'a PROXY line without an address' }
  const source = { host: ipText(address), port: Number(port) }
  return { kind: 'header', bytes: end + 1, source }
}

function readV2(bytes: Uint8Array): ProxyHeader {
  if (bytes.length < V2_FIXED_BYTES) return { kind: 'incomplete' }
  const [command = 0, family = 0] = bytes.subarray(12, 14)
  const length = Number(bigintFromLe(reversed(bytes.subarray(14, 16))))
  if (command >> 4 !== 2 || (command & 15) > 1 || length > V2_LENGTH_MAX)
    return { kind: 'none', why: 'a PROXY header of another version' }
  const whole = V2_FIXED_BYTES + length
  if (bytes.length < whole) return { kind: 'incomplete' }
  const isLocal = (command & 15) === 0
  const addressBytes = ({ 17: 4, 33: 16 } as const)[family]
  // A proxy that looks after us, or a socket of its own machine, has no address to tell.
  if (isLocal || addressBytes === undefined) return { kind: 'header', bytes: whole, source: null }
  if (length < 2 * addressBytes + 4) return { kind: 'none', why: 'a PROXY header cut short' }
  const from = bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + addressBytes)
  const portAt = V2_FIXED_BYTES + 2 * addressBytes
  const port = Number(bigintFromLe(reversed(bytes.subarray(portAt, portAt + 2))))
  const address = parseIp(ipText(from.slice()))
  if (address === null || port === 0) return { kind: 'none', why: 'a PROXY header without a port' }
  return { kind: 'header', bytes: whole, source: { host: ipText(address), port } }
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && equalBytes(bytes.subarray(0, start.length), start)
}
