import { difficultyText } from '../../lib/bitcoin/target.ts'
import { toHex } from '../../lib/bytes.ts'

/** Echoed in the type it came in. */
export type RequestId = string | number | null

/**
 * Error numbers that miners know. Every text begins with a word that says which case it is.
 * Source: slush's Stratum V1 and its successors (20–25).
 */
export const ERROR_CODES = {
  other: 20,
  stale: 21,
  duplicate: 22,
  lowDifficulty: 23,
  unauthorized: 24,
  notSubscribed: 25,
} as const
export type ErrorCode = (typeof ERROR_CODES)[keyof typeof ERROR_CODES]

export type StratumError = { readonly code: ErrorCode; readonly text: string }

/** What a session says, before it is spelled; a notify names its job and is spelled once a job. */
export type Reply<Job> =
  | { readonly kind: 'true'; readonly id: RequestId }
  | { readonly kind: 'error'; readonly id: RequestId; readonly error: StratumError }
  | { readonly kind: 'pong'; readonly id: RequestId }
  | { readonly kind: 'no transactions'; readonly id: RequestId }
  | {
      readonly kind: 'configured'
      readonly id: RequestId
      readonly results: readonly (readonly [key: string, value: boolean | string])[]
    }
  | {
      readonly kind: 'subscribed'
      readonly id: RequestId
      /** Presented again by a miner that comes back; also names the two subscriptions. */
      readonly resumeToken: Uint8Array
      readonly extranonce1: Uint8Array
      readonly extranonce2Bytes: number
    }
  | { readonly kind: 'set difficulty'; readonly difficultyLog2: number }
  | { readonly kind: 'set version mask'; readonly mask: number }
  | { readonly kind: 'notify'; readonly job: Job; readonly cleanJobs: boolean }
  | {
      /** In force with the next job. */
      readonly kind: 'set extranonce'
      readonly extranonce1: Uint8Array
      readonly extranonce2Bytes: number
    }
  | { readonly kind: 'ping' }
  | { readonly kind: 'ask version' }
  /** To the host and port that it is connected to. */
  | { readonly kind: 'reconnect' }
  /** For whoever sits before the miner. */
  | { readonly kind: 'show message'; readonly text: string }

/** Ids of the two requests of ours that are answered; a miner's own ids never meet them. */
export const PING_ID = 1
export const VERSION_ID = 2

/**
 * One line, newline included. `result` and `error` are both present in every response: some
 * firmware crashes without, and `error` is null where all is well (NiceHash wants that).
 *
 * @param notifyLine the line of a job's notify, which is the same for every session
 */
export function lineOf<Job>(
  reply: Reply<Job>,
  notifyLine: (job: Job, cleanJobs: boolean) => string,
): string {
  switch (reply.kind) {
    case 'true':
      // Once a share: what `response` would say, without a way through JSON.
      if (typeof reply.id === 'number') return `{"id":${reply.id},"result":true,"error":null}\n`
      return response(reply.id, true)
    case 'pong':
      return response(reply.id, 'pong')
    case 'no transactions':
      return response(reply.id, [])
    case 'error':
      return line({
        id: reply.id,
        result: null,
        error: [reply.error.code, reply.error.text, null],
      })
    case 'configured':
      // `fromEntries` defines keys, so that an extension called __proto__ is a key like others.
      return response(reply.id, Object.fromEntries(reply.results))
    case 'subscribed': {
      const token = toHex(reply.resumeToken)
      const subscriptions = [
        ['mining.set_difficulty', token],
        ['mining.notify', token],
      ]
      return response(reply.id, [subscriptions, toHex(reply.extranonce1), reply.extranonce2Bytes])
    }
    case 'set difficulty':
      // Written by hand: JSON.stringify rounds large powers of two and writes small ones as 1e-7.
      return `{"id":null,"method":"mining.set_difficulty","params":[${difficultyText(
        reply.difficultyLog2,
      )}]}\n`
    case 'set version mask':
      return notification('mining.set_version_mask', [maskText(reply.mask)])
    case 'notify':
      return notifyLine(reply.job, reply.cleanJobs)
    case 'set extranonce': {
      const params = [toHex(reply.extranonce1), reply.extranonce2Bytes]
      return notification('mining.set_extranonce', params)
    }
    case 'ping':
      return line({ id: PING_ID, method: 'mining.ping', params: [] })
    case 'ask version':
      return line({ id: VERSION_ID, method: 'client.get_version', params: [] })
    case 'reconnect':
      // Without a host: cgminer follows to no other domain, and all would follow a thief's.
      return notification('client.reconnect', [])
    case 'show message':
      return notification('client.show_message', [reply.text])
  }
}

/** A request of ours without an id that wants an answer. */
export function notification(method: string, params: readonly unknown[]): string {
  return line({ id: null, method, params })
}

/** Eight hex digits, most significant first (BIP 310). */
export function maskText(mask: number): string {
  return mask.toString(16).padStart(8, '0')
}

function response(id: RequestId, result: unknown): string {
  return line({ id, result, error: null })
}

function line(message: object): string {
  return `${JSON.stringify(message)}\n`
}
