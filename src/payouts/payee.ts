import { assert, unreachable } from '../lib/assert.ts'
import { parseAddress } from '../lib/bitcoin/address.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import { parseLightning, parseLightningAddress } from '../lib/lightning/destination.ts'
import { depositForm, parseBareAddress, parseThunderAddress } from '../lib/thunder/address.ts'

/** What a payee's address is of. A scheme's rails decide which kinds it can pay. */
export type PayeeKind = 'bitcoin' | 'thunder' | 'lightning'

/** A username understood: who is paid, and the rig's name. */
export type NamedPayee = {
  readonly kind: 'payee'
  readonly payeeKind: PayeeKind
  /** The address in its one spelling, so that one payee is never two; of Thunder the bare form. */
  readonly destination: string
  /** Empty where none was given. */
  readonly worker: string
}

/** Who a username is, or why nobody. */
export type UsernameOutcome =
  | NamedPayee
  /** The reason is for the miner: printable ASCII with at most 80 characters of the username. */
  | { readonly kind: 'refused'; readonly reason: string }

/** What a username is read for. */
export type UsernameContext = {
  readonly network: Network
  /** The kinds that the port pays, which a refusal asks for. */
  readonly kinds: readonly PayeeKind[]
}

/** The longest payee (320) with a worker name (63); a longer username is refused, not echoed. */
const USERNAME_CHARS_MAX = 400
/** Of a refused payee no more is echoed; the rest is left out. */
const ECHO_CHARS_MAX = 80
const PRINTABLE = /^[\x20-\x7e]*$/
/** A longer worker name is refused, since `workers.name` and every page would have to cut it. */
const WORKER = /^[A-Za-z0-9_.-]{0,63}$/
const WORKER_RULE = 'a worker name has at most 63 characters of A-Z a-z 0-9 _ . -'

/**
 * Reads a Stratum username: `payee`, `payee.worker` or `payee/worker`, split at the first dot or
 * slash. A payee with an `@` takes a worker only after the slash, since its domain has dots.
 *
 * A payee is a Bitcoin address of the pool's network, a Thunder address, bare or in its deposit
 * form, or a Lightning address; whether the port pays it is for whoever knows the ports. Registered
 * names are refused. Worker names appear in pages, CSV and logs, so they hold letters, digits and
 * `_.-` only.
 */
export function parseUsername(text: string, context: UsernameContext): UsernameOutcome {
  if (text.length > USERNAME_CHARS_MAX)
    return refused(`the username has more than ${USERNAME_CHARS_MAX} characters`)
  // Checked for all of it, because some other letters have an ASCII one as their lower case.
  if (!PRINTABLE.test(text)) return refused(`a username is printable ASCII, and ${WORKER_RULE}`)
  const { payee, worker } = split(text)
  const read = readPayee(payee, context)
  if (read.kind === 'refused') return read
  return WORKER.test(worker) ? { ...read, worker } : refused(WORKER_RULE)
}

/**
 * A payee as the pool stores it, whoever writes it out: of a Thunder address in deposit form the
 * bare one, the domain of a Lightning address in lower case. Any other text stays as it is.
 */
export function canonicalPayee(text: string): string {
  const thunder = parseThunderAddress(text)
  if (thunder.kind === 'thunder') return thunder.address
  return parseLightningAddress(text)?.text ?? text
}

/** An address as people copy it into a wallet: of Thunder the deposit form, with its checksum. */
export function shownAddress(kind: PayeeKind, destination: string): string {
  if (kind !== 'thunder') return destination
  const address = parseBareAddress(destination)
  assert(address !== null, 'what is paid on Thunder is stored bare')
  return depositForm(address)
}

type ReadPayee = Omit<NamedPayee, 'worker'> | Extract<UsernameOutcome, { kind: 'refused' }>

function readPayee(payee: string, context: UsernameContext): ReadPayee {
  const { network } = context
  if (payee === '') return refused(`the username is empty: ${wanted(context)}`)
  if (payee.includes('@')) return readLightning(payee, network)
  const address = parseAddress(payee, network)
  switch (address.kind) {
    case 'address':
      return { kind: 'payee', payeeKind: 'bitcoin', destination: address.text }
    case 'wrong network':
      return refused(
        `${quoted(payee)} is a Bitcoin address of another network: this pool is on ${network}`,
      )
    case 'not an address':
      return readThunder(payee, context)
    default:
      return unreachable(address)
  }
}

function readLightning(payee: string, network: Network): ReadPayee {
  const read = parseLightning(payee, network)
  if (read.kind === 'address')
    return { kind: 'payee', payeeKind: 'lightning', destination: read.address.text }
  return refused(`${quoted(payee)}: ${read.kind === 'refused' ? read.reason : 'no address'}`)
}

function readThunder(payee: string, context: UsernameContext): ReadPayee {
  const thunder = parseThunderAddress(payee)
  switch (thunder.kind) {
    case 'thunder':
      return { kind: 'payee', payeeKind: 'thunder', destination: thunder.address }
    case 'refused':
      return refused(`${quoted(payee)} ${thunder.reason}`)
    case 'not thunder':
      return refused(
        `${quoted(payee)} is no address that this pool knows (mistyped?), and names cannot be ` +
          `registered yet: ${wanted(context)}`,
      )
    default:
      return unreachable(thunder)
  }
}

function split(text: string): { readonly payee: string; readonly worker: string } {
  const slash = text.indexOf('/')
  const name = slash < 0 ? text : text.slice(0, slash)
  const end = name.includes('@') ? name.length : text.search(/[./]|$/)
  return { payee: text.slice(0, end), worker: text.slice(end + 1) }
}

function wanted({ network, kinds }: UsernameContext): string {
  const names = {
    bitcoin: `a Bitcoin address of ${network}`,
    thunder: 'a Thunder address',
    lightning: 'a Lightning address (name@domain)',
  }
  const addresses = kinds.map(kind => names[kind])
  return `use ${addresses.join(' or ')}, with .worker after it if you like`
}

function quoted(payee: string): string {
  const isLong = payee.length > ECHO_CHARS_MAX
  return `'${payee.slice(0, ECHO_CHARS_MAX)}${isLong ? '...' : ''}'`
}

function refused(reason: string): Extract<UsernameOutcome, { kind: 'refused' }> {
  return { kind: 'refused', reason }
}
