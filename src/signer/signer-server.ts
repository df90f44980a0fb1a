import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { z } from 'zod'
import {
  confirmRequestSchema,
  freezeRequestSchema,
  lightningRequestSchema,
  SIGNER_MESSAGE_BYTES_MAX,
  SIGNER_PATHS,
  signReplyJson,
  signRequestSchema,
  statusRequestSchema,
} from '../approval/index.ts'
import type { Log } from '../lib/log.ts'
import { PSK_IDENTITY, PSK_TLS } from '../lib/psk.ts'
import type { Signer } from './signer.ts'

/** One pool asks at a time; the rest is for connections that are ending. More are not taken. */
const CONNECTIONS_MAX = 16
/** Whoever does not prove the key by then is cut off. */
const HANDSHAKE_MS_MAX = 5000
const HEADERS_MS_MAX = 5000
/** A whole request, 16 MB on a slow line; then it is cut off. */
const REQUEST_MS_MAX = 30_000
const CHECK_EVERY_MS = 1000
const HEADER_BYTES_MAX = 4096

export type SignerServer = {
  readonly port: number
  readonly stop: () => Promise<void>
}

/** Takes questions from whoever has the channel's key, and from nobody else. */
export async function startSignerServer(options: {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** 32 bytes that the pool has too. */
  readonly channelKey: Uint8Array
  readonly signer: Signer
  readonly log: Log
}): Promise<SignerServer> {
  const { host, port, channelKey, signer, log } = options
  const server = createServer(
    {
      ...PSK_TLS,
      pskCallback: (_socket, identity) =>
        identity === PSK_IDENTITY ? Buffer.from(channelKey) : null,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      keepAlive: false,
    },
    (request, response) => {
      answer(signer, request).then(
        reply => send(response, reply),
        error => {
          // Whoever asked learns nothing of what broke in here.
          log.error({ err: error }, 'a request failed')
          send(response, { status: 500, body: '' })
        },
      )
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  server.on('tlsClientError', error => log.warn({ code: codeOf(error) }, 'a caller has no key'))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  return {
    port: isAddress(address) ? address.port : port,
    stop: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

type Reply = { readonly status: number; readonly body: string }

async function answer(signer: Signer, request: IncomingMessage): Promise<Reply> {
  if (request.method !== 'POST') return { status: 405, body: '' }
  const text = await readBody(request)
  if (text === null) return { status: 413, body: '' }
  switch (request.url) {
    case SIGNER_PATHS.sign:
      return parsed(text, signRequestSchema, async asked => signReplyJson(await signer.sign(asked)))
    case SIGNER_PATHS.status:
      return parsed(text, statusRequestSchema, async asked =>
        JSON.stringify(await signer.status(asked)),
      )
    case SIGNER_PATHS.confirm:
      return parsed(text, confirmRequestSchema, async asked =>
        JSON.stringify(await signer.confirm(asked)),
      )
    case SIGNER_PATHS.freeze:
      return parsed(text, freezeRequestSchema, async ({ acts }) =>
        JSON.stringify(await signer.freeze(acts)),
      )
    case SIGNER_PATHS.lightning:
      return parsed(text, lightningRequestSchema, async asked =>
        JSON.stringify(await signer.lightning(asked)),
      )
    default:
      return { status: 404, body: '' }
  }
}

async function parsed<T>(
  text: string,
  schema: z.ZodType<T>,
  act: (asked: T) => Promise<string>,
): Promise<Reply> {
  const read = schema.safeParse(parseJson(text))
  if (!read.success) return { status: 400, body: '' }
  return { status: 200, body: await act(read.data) }
}

/** @returns null where it is too long; the rest of it is not read then */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length > SIGNER_MESSAGE_BYTES_MAX) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function send(response: ServerResponse, { status, body }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(body)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isAddress(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
