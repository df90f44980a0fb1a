import { Resolver } from 'node:dns/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { type IpAddress, ipText, parseIp } from '../ip-address.ts'
import { urlComplaint } from './guarded-url.ts'
import { isPublicAddress } from './public-address.ts'

/** The network in which strangers' servers are, and how far they are trusted. */
export type Egress = {
  /** All addresses of a name. Asked once for each request: the answer is what is connected to. */
  readonly lookUp: (domain: string, signal: AbortSignal) => Promise<readonly IpAddress[]>
  /** Whether an address may be connected to; a name with one that may not is refused. */
  readonly isAllowed: (address: IpAddress) => boolean
  /** Where servers of HTTPS listen. */
  readonly httpsPort: number
  /** In PEM, whose certificates are believed; null for those that browsers believe. */
  readonly ca: string | null
  /** For one answer, from the look-up to its last byte. */
  readonly timeoutMs: number
}

/** An answer, or why there is none; the reason has no text of a stranger in it. */
export type GetOutcome =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string }

const HEADER_BYTES_MAX = 8192
const DNS = { timeout: 2000, tries: 2 }
const HTTP_OK = 200

/** The Internet: the only one that mainnet is ever given, whatever a configuration says. */
export const PUBLIC_INTERNET: Egress = {
  lookUp: lookUpInDns,
  isAllowed: isPublicAddress,
  httpsPort: 443,
  ca: null,
  timeoutMs: 10_000,
}

/**
 * Asks a stranger's server for a text, so that it cannot make us ask anyone else: only by HTTPS, by
 * a name, at an address that was looked up once and may be connected to; no redirect is followed,
 * nothing is unpacked, and what is too long or too slow is cut off. No cookie, no kept connection.
 */
export async function guardedGet(
  url: string,
  bytesMax: number,
  egress: Egress,
): Promise<GetOutcome> {
  const complaint = urlComplaint(url)
  if (complaint !== null) return { kind: 'failed', reason: complaint }
  const { hostname, pathname, search } = new URL(url)
  // A look-up that does not look at the signal would otherwise be waited for without end.
  const deadline = AbortSignal.timeout(egress.timeoutMs)
  const late = new Promise<never>((_, reject) => {
    deadline.addEventListener('abort', () => reject(deadline.reason), { once: true })
  })
  late.catch(() => {})
  try {
    const addresses = await Promise.race([egress.lookUp(hostname, deadline), late])
    const refused = addressComplaint(addresses, egress)
    if (refused !== null) return { kind: 'failed', reason: `${hostname} ${refused}` }
    const at = { address: preferred(addresses), hostname, path: `${pathname}${search}` }
    const text = await Promise.race([read(await answer(at, egress, deadline), bytesMax), late])
    return { kind: 'text', text }
  } catch (error) {
    return { kind: 'failed', reason: `${hostname} ${whyNot(error, deadline)}` }
  }
}

/** What is wrong with an answer that came. */
class Unfit extends Error {
  override readonly name = 'Unfit'
}

function addressComplaint(addresses: readonly IpAddress[], { isAllowed }: Egress): string | null {
  if (addresses.length === 0) return 'has no address'
  // One that may not is the sign of a name that is made to reach inside.
  return addresses.every(isAllowed) ? null : 'has an address that is not on the public Internet'
}

/** Of IPv4 where there is one, since not every host has IPv6. */
function preferred(addresses: readonly IpAddress[]): string {
  const [first = new Uint8Array(4)] = addresses
  return ipText(addresses.find(address => address.length === 4) ?? first)
}

function answer(
  at: { readonly address: string; readonly hostname: string; readonly path: string },
  { httpsPort, ca }: Egress,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const asked = request({
    // The address that was looked at, so that no second look-up can give another.
    host: at.address,
    port: httpsPort,
    path: at.path,
    servername: at.hostname,
    headers: { host: at.hostname, accept: 'application/json', 'accept-encoding': 'identity' },
    agent: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    signal,
    ...(ca !== null && { ca }),
  })
  asked.on('response', resolve)
  asked.on('error', reject)
  asked.end()
  return promise
}

async function read(response: IncomingMessage, bytesMax: number): Promise<string> {
  const { statusCode = 0, headers } = response
  try {
    if (statusCode >= 300 && statusCode < 400) throw new Unfit('redirects, which is not followed')
    if (statusCode !== HTTP_OK) throw new Unfit(`answers with status ${statusCode}`)
    if ((headers['content-encoding'] ?? 'identity') !== 'identity')
      throw new Unfit('sends something packed, which was not asked for')
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response) {
      length += chunk.length
      if (length > bytesMax) throw new Unfit(`sends more than ${bytesMax} bytes`)
      chunks.push(chunk)
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } finally {
    response.destroy()
  }
}

/** Only codes of our own system are repeated: a certificate, say, is a stranger's text. */
function whyNot(error: unknown, deadline: AbortSignal): string {
  if (error instanceof Unfit) return error.message
  if (deadline.aborted) return 'does not answer in time'
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer'
  return `cannot be asked (${code.replaceAll(/[^A-Za-z0-9_ ]/g, '')})`
}

/** Asks the name servers, and not the file of this host, whose names are its own. */
async function lookUpInDns(domain: string, signal: AbortSignal): Promise<readonly IpAddress[]> {
  const resolver = new Resolver(DNS)
  signal.addEventListener('abort', () => resolver.cancel(), { once: true })
  const asked = [resolver.resolve4(domain), resolver.resolve6(domain)]
  const [v4, v6] = await Promise.allSettled(asked)
  if (v4?.status === 'rejected' && v6?.status === 'rejected') throw v4.reason
  const texts = [v4, v6].flatMap(found => (found?.status === 'fulfilled' ? found.value : []))
  return texts.map(text => parseIp(text) ?? new Uint8Array(4))
}
