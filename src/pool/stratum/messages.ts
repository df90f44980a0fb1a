import { fromHex } from '../../lib/bytes.ts'
import type { RejectReason } from '../../statement/index.ts'
import { EXTRANONCE2_BYTES } from '../coinbase.ts'
import { log2AtLeastAsHard } from '../share-target.ts'
import { isObject, type JsonObject, ownValue, parseJson } from './json.ts'
import { readMinimum, readPassword, readWish } from './password.ts'
import { ERROR_CODES, type RequestId, type StratumError } from './replies.ts'

/** A longer line is answered with an error, and the connection ends: nobody needs a tenth of it. */
export const LINE_BYTES_MAX = 8192
/** More parameters than any method has; such a request is answered with an error. */
const PARAMS_MAX = 16
/** A longer id is answered as if it had none; real ones are small numbers. */
const ID_CHARS_MAX = 64
/** The longest payee (320) with a worker name (63); a longer username is refused. */
const USERNAME_CHARS_MAX = 400
/** An agent is cut to what `sessions.agent` holds. */
const AGENT_CHARS_MAX = 200
/** More extensions than exist; the rest is not answered. */
const EXTENSIONS_MAX = 16

/** The fields of mining.submit, each read to the one value it stands for. */
export type Submission = {
  /** As the job was called in mining.notify; other spellings are other (unknown) jobs. */
  readonly jobName: string
  readonly extranonce2: Uint8Array
  readonly ntime: number
  readonly nonce: number
  /** Null where the parameter is missing. */
  readonly versionBits: number | null
}

/** What BIP 310 lets a miner ask for before it subscribes. */
export type ConfigureWishes = {
  readonly extensions: readonly string[]
  /** Null when it is no hex; all bits when it is not given. */
  readonly versionMask: number | null
  /** Rounded up to a power of two; null when missing or no number. */
  readonly minimumLog2: number | null
}

/** A line of a miner, understood. */
export type Request =
  | { readonly kind: 'configure'; readonly id: RequestId; readonly wishes: ConfigureWishes }
  | {
      readonly kind: 'subscribe'
      readonly id: RequestId
      readonly agent: string
      readonly resumeToken: Uint8Array | null
    }
  | {
      readonly kind: 'authorize'
      readonly id: RequestId
      readonly username: string
      /** From the password, which is kept nowhere: where to begin. */
      readonly wishLog2: number | null
      /** From the password: never to go below. */
      readonly minimumLog2: number | null
    }
  | { readonly kind: 'suggest difficulty'; readonly id: RequestId; readonly wishLog2: number }
  | {
      readonly kind: 'submit'
      readonly id: RequestId
      readonly username: string
      readonly submission: Submission
    }
  | {
      readonly kind: 'bad submit'
      readonly id: RequestId
      readonly username: string | null
      readonly reason: RejectReason
      readonly error: StratumError
    }
  | { readonly kind: 'extranonce subscribe'; readonly id: RequestId }
  | { readonly kind: 'get transactions'; readonly id: RequestId }
  | { readonly kind: 'ping'; readonly id: RequestId }
  /** A response to something of ours. */
  | {
      readonly kind: 'response'
      readonly id: RequestId
      /** Where it is text: plain characters, cut. */
      readonly text: string | null
    }
  | {
      readonly kind: 'bad request'
      readonly id: RequestId
      readonly error: StratumError
      /** Not even an object with a method: no Stratum client says such a thing. */
      readonly gibberish: boolean
    }

/**
 * Reads one line. Whatever it holds, the outcome is a request: a bad one carries the error to
 * answer with.
 *
 * Spelling: hex digits may be capitals everywhere. `extranonce2` is 16 digits and `ntime` 8, no
 * more and no less; `nonce` and version bits have 1 to 8, since some firmware drops leading zeros.
 * Every spelling is folded to one value here and duplicates are found by the header's hash, so
 * that no share is credited twice. `0x`, signs, spaces and anything else are errors.
 */
export function parseRequest(text: string): Request {
  const json = parseJson(text)
  if (json.kind === 'not json') return gibberish(json.why)
  if (!isObject(json.value)) return gibberish('a request is an object')
  const id = readId(ownValue(json.value, 'id'))
  if (id === undefined) return gibberish('an id is a short string or a number')
  const method = ownValue(json.value, 'method')
  if (method === undefined && isResponse(json.value)) {
    const result = ownValue(json.value, 'result')
    return { kind: 'response', id, text: typeof result === 'string' ? plainAgent(result) : null }
  }
  if (typeof method !== 'string') return gibberish('a method is a string', id)
  const params = ownValue(json.value, 'params') ?? []
  if (!Array.isArray(params)) return bad(id, 'params are an array')
  if (params.length > PARAMS_MAX) return bad(id, 'too many params')
  return readMethod(id, method, params)
}

function readMethod(id: RequestId, method: string, params: readonly unknown[]): Request {
  switch (method) {
    case 'mining.submit':
      return readSubmit(id, params)
    case 'mining.subscribe':
      return readSubscribe(id, params)
    case 'mining.authorize':
      return readAuthorize(id, params)
    case 'mining.configure':
      return readConfigure(id, params)
    case 'mining.suggest_difficulty':
      return readSuggestion(id, readWish(params[0]))
    case 'mining.suggest_target':
      return readSuggestion(id, wishFromTarget(params[0]))
    case 'mining.extranonce.subscribe':
      return { kind: 'extranonce subscribe', id }
    case 'mining.get_transactions':
      return { kind: 'get transactions', id }
    case 'mining.ping':
      return { kind: 'ping', id }
    // AxeOS answers a ping of ours by calling `pong`.
    case 'mining.pong':
    case 'pong':
      return { kind: 'response', id, text: 'pong' }
    default:
      return bad(id, 'unknown method')
  }
}

function readSubmit(id: RequestId, params: readonly unknown[]): Request {
  const [username, jobName, extranonce2, ntime, nonce, bits] = params
  const name = typeof username === 'string' ? username : null
  const refuse = (reason: RejectReason, text: string): Request => {
    const error = { code: ERROR_CODES.other, text }
    return { kind: 'bad submit', id, username: name, reason, error }
  }
  if (name === null) return refuse('malformed', 'malformed: a worker name is a string')
  if (typeof jobName !== 'string') return refuse('malformed', 'malformed: a job id is a string')
  if (!isHex(extranonce2, 2 * EXTRANONCE2_BYTES, 2 * EXTRANONCE2_BYTES))
    return refuse('bad-extranonce2', `bad-extranonce2: it has ${2 * EXTRANONCE2_BYTES} hex digits`)
  if (!isHex(ntime, 8, 8)) return refuse('malformed', 'malformed: ntime has 8 hex digits')
  if (!isHex(nonce, 1, 8)) return refuse('malformed', 'malformed: nonce has 8 hex digits')
  const versionBits = bits ?? null
  if (versionBits !== null && !isHex(versionBits, 1, 8))
    return refuse('malformed', 'malformed: version bits have 8 hex digits')
  const submission: Submission = {
    jobName,
    extranonce2: fromHex(extranonce2.toLowerCase()),
    ntime: Number.parseInt(ntime, 16),
    nonce: Number.parseInt(nonce, 16),
    versionBits: versionBits === null ? null : Number.parseInt(versionBits, 16),
  }
  return { kind: 'submit', id, username: name, submission }
}

function readSubscribe(id: RequestId, params: readonly unknown[]): Request {
  const [agent, token] = params
  const resumeToken = isHex(token, 16, 16) ? fromHex(token.toLowerCase()) : null
  return { kind: 'subscribe', id, agent: plainAgent(agent), resumeToken }
}

/** Names end in logs and on pages, so only plain characters come in. */
function plainAgent(agent: unknown): string {
  const text = typeof agent === 'string' ? agent : ''
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, AGENT_CHARS_MAX)
}

function readAuthorize(id: RequestId, params: readonly unknown[]): Request {
  const [username, password] = params
  const refuse = (text: string): Request => {
    const error = { code: ERROR_CODES.unauthorized, text }
    return { kind: 'bad request', id, error, gibberish: false }
  }
  if (typeof username !== 'string') return refuse('a username is a string')
  if (username.length > USERNAME_CHARS_MAX) return refuse('the username is too long')
  const wishes = readPassword(typeof password === 'string' ? password : '')
  return { kind: 'authorize', id, username, ...wishes }
}

function readConfigure(id: RequestId, params: readonly unknown[]): Request {
  const [names, options] = params
  if (!Array.isArray(names)) return bad(id, 'extensions are an array')
  const extensions = names.filter(isExtensionName).slice(0, EXTENSIONS_MAX)
  const given = isObject(options) ? options : {}
  const mask = ownValue(given, 'version-rolling.mask') ?? 'ffffffff'
  const wishes: ConfigureWishes = {
    extensions,
    versionMask: isHex(mask, 1, 8) ? Number.parseInt(mask, 16) : null,
    minimumLog2: readMinimum(ownValue(given, 'minimum-difficulty.value')),
  }
  return { kind: 'configure', id, wishes }
}

function readSuggestion(id: RequestId, wishLog2: number | null): Request {
  if (wishLog2 === null) return bad(id, 'a suggestion is a positive number or a target in hex')
  return { kind: 'suggest difficulty', id, wishLog2 }
}

function wishFromTarget(value: unknown): number | null {
  return isHex(value, 1, 64) ? log2AtLeastAsHard(BigInt(`0x${value}`)) : null
}

/** Undefined when it is none that could be echoed. A missing id is null. */
function readId(id: unknown): RequestId | undefined {
  if (id === undefined || id === null) return null
  if (typeof id === 'string') return id.length <= ID_CHARS_MAX ? id : undefined
  return typeof id === 'number' && Number.isFinite(id) ? id : undefined
}

function isHex(value: unknown, digitsMin: number, digitsMax: number): value is string {
  if (typeof value !== 'string') return false
  return value.length >= digitsMin && value.length <= digitsMax && /^[0-9a-fA-F]+$/.test(value)
}

function isExtensionName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 40
}

function isResponse(object: JsonObject): boolean {
  return Object.hasOwn(object, 'result') || Object.hasOwn(object, 'error')
}

function bad(id: RequestId, text: string): Request {
  return { kind: 'bad request', id, error: { code: ERROR_CODES.other, text }, gibberish: false }
}

function gibberish(text: string, id: RequestId = null): Request {
  return { kind: 'bad request', id, error: { code: ERROR_CODES.other, text }, gibberish: true }
}
