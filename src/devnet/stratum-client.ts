import { once } from 'node:events'
import { connect } from 'node:net'
import { z } from 'zod'

/** A pool sends nothing longer; what does is cut off. */
const LINE_BYTES_MAX = 1024 * 1024
/** Miners take a pool that is silent for longer for dead. */
const SILENCE_TIMEOUT_MS = 180_000

const message = z.object({
  id: z.union([z.number(), z.string(), z.null()]).optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
})

/** The pool's answer to a request, or that the connection broke before there was one. */
export type Reply =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly reason: string }
  | { readonly kind: 'gone' }

/** A connection to a pool. */
export type StratumClient = {
  /** Never rejects. */
  readonly request: (method: string, params: readonly unknown[]) => Promise<Reply>
  /** Settles when the connection has ended, on whoever's wish. */
  readonly closed: Promise<void>
  readonly close: () => void
}

/**
 * Connects to a pool by Stratum V1: a JSON object a line, either way.
 *
 * @param onNotice is given each method that the pool calls
 * @throws Error when there is no connection
 */
export async function connectStratum(options: {
  readonly host: string
  readonly port: number
  readonly onNotice: (method: string, params: unknown) => void
}): Promise<StratumClient> {
  const { host, port, onNotice } = options
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  const waiting = new Map<number, (reply: Reply) => void>()
  let lastId = 0
  let rest = ''

  socket.setEncoding('utf8')
  socket.setTimeout(SILENCE_TIMEOUT_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', chunk => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_BYTES_MAX) socket.destroy()
    for (const line of lines) if (line.trim() !== '') receive(line)
  })
  const closed = new Promise<void>(resolve => {
    socket.once('close', () => {
      for (const settle of waiting.values()) settle({ kind: 'gone' })
      resolve()
    })
  })

  function receive(line: string): void {
    const parsed = parseMessage(line)
    if (parsed === null) {
      socket.destroy()
    } else if (parsed.method !== undefined) {
      if (parsed.method === 'mining.ping') send({ id: parsed.id, result: 'pong', error: null })
      else onNotice(parsed.method, parsed.params)
    } else if (typeof parsed.id === 'number') {
      waiting.get(parsed.id)?.(replyOf(parsed))
      waiting.delete(parsed.id)
    }
  }

  function send(value: object): void {
    if (!socket.destroyed) socket.write(`${JSON.stringify(value)}\n`)
  }

  return {
    request: (method, params) =>
      new Promise(resolve => {
        if (socket.destroyed) return resolve({ kind: 'gone' })
        lastId += 1
        waiting.set(lastId, resolve)
        send({ id: lastId, method, params })
      }),
    closed,
    close: () => socket.destroy(),
  }
}

function parseMessage(line: string): z.infer<typeof message> | null {
  try {
    return message.safeParse(JSON.parse(line)).data ?? null
  } catch {
    return null
  }
}

function replyOf({ result, error }: z.infer<typeof message>): Reply {
  if (error !== null && error !== undefined) return { kind: 'error', reason: JSON.stringify(error) }
  if (result === false || result === null) return { kind: 'error', reason: 'refused' }
  return { kind: 'result', result }
}
