import { unreachable } from '../lib/assert.ts'
import { parseAddress } from '../lib/bitcoin/address.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import { parseThunderAddress } from '../lib/thunder/address.ts'

/** A username understood: who is paid, and the rig's name. */
export type BitcoinPayee = {
  readonly kind: 'payee'
  readonly payeeKind: 'bitcoin'
  /** The address in its one spelling, so that one payee is never two. */
  readonly destination: string
  /** Empty where none was given. */
  readonly worker: string
}

/** Who a username is, or why nobody. */
export type UsernameOutcome =
  | BitcoinPayee
  /** The reason is for the miner: printable ASCII with at most 80 characters of the username. */
  | { readonly kind: 'refused'; readonly reason: string }

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
 * A payee is a Bitcoin address of the pool's network. Thunder and Lightning addresses are told
 * from what is nothing, and refused, as are registered names. Worker names appear in pages, CSV
 * and logs, so they hold letters, digits and `_.-` only.
 */
export function parseUsername(
  text: string,
  { network }: { readonly network: Network },
): UsernameOutcome {
  if (text.length > USERNAME_CHARS_MAX)
    return refused(`the username has more than ${USERNAME_CHARS_MAX} characters`)
  // Checked for all of it, because some other letters have an ASCII one as their lower case.
  if (!PRINTABLE.test(text)) return refused(`a username is printable ASCII, and ${WORKER_RULE}`)
  const { payee, worker } = split(text)
  if (payee.includes('@'))
    return refused(`${quoted(payee)} is a Lightning address: ${notYet(network)}`)
  const address = parseAddress(payee, network)
  switch (address.kind) {
    case 'address':
      if (!WORKER.test(worker)) return refused(WORKER_RULE)
      return { kind: 'payee', payeeKind: 'bitcoin', destination: address.text, worker }
    case 'wrong network':
      return refused(
        `${quoted(payee)} is a Bitcoin address of another network: this pool is on ${network}`,
      )
    case 'not an address':
      return refused(whyNot(payee, network))
    default:
      return unreachable(address)
  }
}

function split(text: string): { readonly payee: string; readonly worker: string } {
  const slash = text.indexOf('/')
  const name = slash < 0 ? text : text.slice(0, slash)
  const end = name.includes('@') ? name.length : text.search(/[./]|$/)
  return { payee: text.slice(0, end), worker: text.slice(end + 1) }
}

function whyNot(payee: string, network: Network): string {
  if (payee === '') return `the username is empty: ${wanted(network)}`
  const thunder = parseThunderAddress(payee)
  switch (thunder.kind) {
    case 'thunder':
      return `${quoted(payee)} is a Thunder address: ${notYet(network)}`
    case 'refused':
      return `${quoted(payee)} ${thunder.reason}`
    case 'not thunder':
      return (
        `${quoted(payee)} is no Bitcoin address (mistyped?), and names cannot be registered yet: ` +
        wanted(network)
      )
    default:
      return unreachable(thunder)
  }
}

function notYet(network: Network): string {
  return `this pool does not pay those yet, ${wanted(network)}`
}

function wanted(network: Network): string {
  return `use a Bitcoin address of ${network}, with .worker after it if you like`
}

function quoted(payee: string): string {
  const isLong = payee.length > ECHO_CHARS_MAX
  return `'${payee.slice(0, ECHO_CHARS_MAX)}${isLong ? '...' : ''}'`
}

function refused(reason: string): UsernameOutcome {
  return { kind: 'refused', reason }
}
