import {
  type HttpReply,
  type HttpRequest,
  type HttpShell,
  jsonReply,
  startHttpShell,
} from '../http-shell.ts'

/** The words of Connect for what went wrong, and the HTTP status that goes with each. */
const STATUS_OF = {
  invalid_argument: 400,
  failed_precondition: 400,
  unimplemented: 404,
  already_exists: 409,
  resource_exhausted: 429,
  unknown: 500,
  internal: 500,
} as const

/** What ends a call without a result; thrown by methods, and answered in one place. */
export class ConnectError extends Error {
  readonly code: keyof typeof STATUS_OF
  constructor(code: keyof typeof STATUS_OF, message: string) {
    super(message)
    this.code = code
  }
}

/** The fields of a request in proto3 JSON, under their snake_case or their lowerCamel name. */
export type ProtoRequest = {
  /** Null when the field is missing. */
  readonly find: (name: string) => unknown
  readonly u32: (name: string) => number
  readonly u64: (name: string) => bigint
  readonly text: (name: string) => string
  /** The digits of a `{"hex": …}`. */
  readonly hex: (name: string) => string
}

/** One unary call: its reply as JSON. */
export type ProtoMethod = (request: ProtoRequest) => Promise<object>

const PACKAGE = 'cusf.mainchain.v1'
const BODY_BYTES_MAX = 4 * 1024 * 1024

/**
 * Serves unary calls of the Connect protocol in JSON. Unknown keys of a request are ignored, as
 * proto3 wants it: a typing error looks like a missing field.
 *
 * @param methods by `Service/Method`
 */
export async function startConnectServer(
  port: number,
  methods: ReadonlyMap<string, ProtoMethod>,
): Promise<HttpShell> {
  return startHttpShell({
    port,
    bodyBytesMax: BODY_BYTES_MAX,
    answer: request => answerConnect(request, methods),
  })
}

/** The reply to one request. */
export async function answerConnect(
  { method, path, contentType, body }: HttpRequest,
  methods: ReadonlyMap<string, ProtoMethod>,
): Promise<HttpReply> {
  // Calls that change nothing may be asked by GET; the message is empty then.
  if (method !== 'GET' && contentType !== 'application/json')
    return { kind: 'reply', status: 415, contentType: 'text/plain', body: '' }
  const [route = ''] = path.split('?')
  const name = route.replace(`/${PACKAGE}.`, '')
  const call = methods.get(name)
  try {
    if (call === undefined)
      throw new ConnectError('unimplemented', `method not found: ${PACKAGE}.${name}`)
    const fields = method === 'GET' ? {} : fieldsOf(body)
    const reply = await call(requestOf(name, fields))
    return jsonReply(200, JSON.stringify(reply))
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error
    const { code, message } = error
    return jsonReply(STATUS_OF[code], JSON.stringify({ code, message }))
  }
}

function fieldsOf(body: string): object {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Answered below, as everything that is no object.
  }
  const where = `line 1 column ${body.length}`
  throw new ConnectError(
    'invalid_argument',
    `failed to decode JSON: EOF while parsing an object at ${where}`,
  )
}

function requestOf(method: string, fields: object): ProtoRequest {
  const entries = new Map<string, unknown>(Object.entries(fields))
  const message = `${PACKAGE}.${method.split('/')[1] ?? ''}Request`

  function find(name: string): unknown {
    const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    return entries.get(name) ?? entries.get(camel) ?? null
  }
  function need(name: string): unknown {
    const value = find(name)
    if (value !== null) return value
    throw new ConnectError(
      'invalid_argument',
      `Missing field in message \`${message}\`: \`${name}\``,
    )
  }
  function wrong(name: string): ConnectError {
    return new ConnectError(
      'invalid_argument',
      `Invalid field value in message \`${message}\`: \`${name}\``,
    )
  }
  function u64(name: string): bigint {
    const value = need(name)
    const digits = typeof value === 'number' || typeof value === 'string' ? String(value) : ''
    if (!/^\d{1,20}$/.test(digits)) throw wrong(name)
    return BigInt(digits)
  }
  return {
    find,
    u64,
    u32: name => Number(u64(name)),
    text(name) {
      const value = need(name)
      if (typeof value !== 'string') throw wrong(name)
      return value
    },
    hex(name) {
      const value = need(name)
      const digits =
        typeof value === 'object' && value !== null && 'hex' in value ? value.hex : null
      if (typeof digits !== 'string' || !/^([0-9a-f]{2})*$/i.test(digits)) throw wrong(name)
      return digits.toLowerCase()
    },
  }
}
