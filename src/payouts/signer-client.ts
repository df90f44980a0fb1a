import { request } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { z } from 'zod'
import {
  confirmRequestJson,
  freezeRequestJson,
  type HeadConfirmation,
  type LightningReply,
  type LightningRequest,
  lightningReplySchema,
  lightningRequestJson,
  type RelayReply,
  relayReplySchema,
  SIGNER_MESSAGE_BYTES_MAX,
  SIGNER_PATHS,
  type SignedFreezeAct,
  type SignReply,
  type SignRequest,
  type StatusReply,
  type StatusRequest,
  signReplySchema,
  signRequestJson,
  statusReplySchema,
} from '../approval/index.ts'
import { PSK_IDENTITY, PSK_TLS } from '../lib/psk.ts'

/** From the call to the last byte of the reply; then there is no answer. */
const ANSWER_MS_MAX = 60_000

/** A reply of the signer, or none: it may have signed then, and may be asked again. */
export type SignerAnswer<T> =
  | { readonly kind: 'answer'; readonly value: T }
  | { readonly kind: 'no answer'; readonly reason: string }

/** What the pool asks the signer host. */
export type SignerClient = {
  readonly sign: (asked: SignRequest) => Promise<SignerAnswer<SignReply>>
  readonly status: (asked: StatusRequest) => Promise<SignerAnswer<StatusReply>>
  readonly confirm: (asked: HeadConfirmation) => Promise<SignerAnswer<RelayReply>>
  readonly freeze: (acts: readonly SignedFreezeAct[]) => Promise<SignerAnswer<RelayReply>>
  readonly lightning: (asked: LightningRequest) => Promise<SignerAnswer<LightningReply>>
}

export type SignerAccess = {
  readonly host: string
  readonly port: number
  /** 32 bytes that the signer has too. Never log it. */
  readonly channelKey: Uint8Array
}

/** Talks to the signer host over the channel that both ends authenticate. */
export function signerClient(access: SignerAccess): SignerClient {
  const ask = async <T>(path: string, body: string, schema: z.ZodType<T>) => {
    try {
      const text = await post(access, path, body)
      return { kind: 'answer', value: schema.parse(JSON.parse(text)) } as const
    } catch (error) {
      const reason = error instanceof z.ZodError ? 'a reply that is none' : messageOf(error)
      return { kind: 'no answer', reason: `the signer: ${reason}` } as const
    }
  }
  return {
    sign: asked => ask(SIGNER_PATHS.sign, signRequestJson(asked), signReplySchema),
    status: asked => ask(SIGNER_PATHS.status, JSON.stringify(asked), statusReplySchema),
    confirm: asked => ask(SIGNER_PATHS.confirm, confirmRequestJson(asked), relayReplySchema),
    freeze: acts => ask(SIGNER_PATHS.freeze, freezeRequestJson(acts), relayReplySchema),
    lightning: asked =>
      ask(SIGNER_PATHS.lightning, lightningRequestJson(asked), lightningReplySchema),
  }
}

async function post(access: SignerAccess, path: string, body: string): Promise<string> {
  const { host, port, channelKey } = access
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const channel: ConnectionOptions = {
    ...PSK_TLS,
    pskCallback: () => ({ psk: Buffer.from(channelKey), identity: PSK_IDENTITY }),
    // Only the key proves the signer: no certificate is ever good enough, whoever signed it.
    ca: [],
    // Else a variable of the environment could let any certificate pass.
    rejectUnauthorized: true,
    checkServerIdentity: () => new Error('it showed a certificate instead of the key'),
  }
  const outgoing = request({
    ...channel,
    ...{ host, port, path, method: 'POST', agent: false },
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  })
  outgoing.on('error', reject)
  outgoing.on('response', response => {
    if (response.statusCode !== 200) {
      response.destroy()
      reject(new Error(`HTTP ${response.statusCode}`))
      return
    }
    readWhole(response).then(resolve, reject)
  })
  outgoing.end(body)
  return promise
}

async function readWhole(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > SIGNER_MESSAGE_BYTES_MAX) throw new Error('the reply is too long')
    read.push(chunk)
  }
  return Buffer.concat(read).toString('utf8')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
