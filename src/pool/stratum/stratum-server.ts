import { createServer, type Server, type Socket } from 'node:net'
import type { Log } from '../../lib/log.ts'
import type { VardiffRule } from '../vardiff.ts'
import type { Connection } from './connection.ts'
import { LINE_BYTES_MAX } from './messages.ts'
import type { SessionServer } from './session-server.ts'

/** Connections of one process; one more is closed at once. */
const CONNECTIONS_MAX = 20_000
/** What may wait to be read by a miner; a slower reader is dropped. */
const WRITE_BYTES_MAX = 262_144
/** A connection that we end is cut after so long, whether the other side reads or not. */
const END_WITHIN_MS = 2000
const TICK_MS = 5000
/** A connection that is silent for so long is probed by the kernel, which finds out who is gone. */
const KEEP_ALIVE_AFTER_MS = 60_000
const NEWLINE = 0x0a
const NOTHING = Buffer.alloc(0)

/** A port is a promise: its scheme says how its miners are paid. */
export type StratumPort = {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly scheme: string
  readonly rule: VardiffRule
  /** Several processes of this machine listen on it, and the kernel shares out the miners. */
  readonly isShared: boolean
}

export type StratumListener = {
  /** The ports that are really listened on, in the order asked for. */
  readonly ports: readonly number[]
  readonly connectionCount: () => number
  /** Takes no more connections. */
  readonly stopAccepting: () => void
  /** Resolves when the last connection has ended, or after so long. */
  readonly untilEmpty: (withinMs: number) => Promise<void>
  /** Takes no more connections, and reads no more of those there are. */
  readonly stopListening: () => void
  /** Sends what is to be sent, and ends every connection. */
  readonly endAll: () => void
}

/** One socket with what is on its way in and out. */
type Line = {
  readonly socket: Socket
  readonly connection: Connection
  /** Bytes since the last newline. */
  rest: Buffer
  out: string
  isEnding: boolean
}

/**
 * Listens for miners, cuts their bytes into lines, and sends what sessions say: all of one turn of
 * the event loop in one write, since a write costs more than a share.
 */
export async function listenForMiners(
  ports: readonly StratumPort[],
  sessions: SessionServer,
  log: Log,
): Promise<StratumListener> {
  const lines = new Set<Line>()
  let toFlush = new Set<Line>()
  let emptied = Promise.withResolvers<void>()

  function accept(socket: Socket, { scheme, rule }: StratumPort): void {
    const { remoteAddress: host, remotePort: port } = socket
    if (lines.size >= CONNECTIONS_MAX || host === undefined || port === undefined) {
      socket.destroy()
      return
    }
    const wire = { host, port, send: (text: string) => write(line, text), end: () => end(line) }
    const connection = sessions.connect(wire, scheme, rule)
    const line: Line = { socket, connection, rest: NOTHING, out: '', isEnding: false }
    lines.add(line)
    socket.on('data', chunk => hear(line, chunk))
    // A broken connection is an ended one; `close` follows.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      lines.delete(line)
      sessions.closed(connection)
      if (lines.size === 0) emptied.resolve()
    })
  }

  function hear(line: Line, chunk: Buffer): void {
    let bytes = line.rest.length > 0 ? Buffer.concat([line.rest, chunk]) : chunk
    while (!line.isEnding) {
      const at = bytes.indexOf(NEWLINE)
      if ((at === -1 ? bytes.length : at) > LINE_BYTES_MAX) sessions.hearOverlong(line.connection)
      if (at === -1 || line.isEnding) break
      sessions.hear(line.connection, bytes.subarray(0, at))
      bytes = bytes.subarray(at + 1)
    }
    // A copy, since what is left of a chunk would keep all of it.
    line.rest = line.isEnding || bytes.length === 0 ? NOTHING : Buffer.from(bytes)
  }

  function write(line: Line, text: string): void {
    if (line.isEnding || line.socket.destroyed) return
    line.out += text
    flushSoon(line)
  }

  function flushSoon(line: Line): void {
    if (toFlush.size === 0) setImmediate(flushAll)
    toFlush.add(line)
  }

  function flushAll(): void {
    const flushed = toFlush
    toFlush = new Set()
    for (const line of flushed) flush(line)
  }

  function flush(line: Line): void {
    const { socket, out } = line
    line.out = ''
    if (socket.destroyed) return
    if (out !== '') socket.write(out)
    if (socket.writableLength > WRITE_BYTES_MAX) {
      log.info({ host: socket.remoteAddress }, 'dropped a miner that reads too slowly')
      socket.destroy()
    } else if (line.isEnding) {
      socket.end()
    }
  }

  function end(line: Line): void {
    if (line.isEnding) return
    line.isEnding = true
    flushSoon(line)
    setTimeout(() => line.socket.destroy(), END_WITHIN_MS).unref()
  }

  function stopAccepting(): void {
    // Closing waits for the connections, which leave by themselves or are ended by `endAll`.
    for (const server of servers) if (server.listening) server.close()
  }

  const servers = await Promise.all(ports.map(port => listen(port, socket => accept(socket, port))))
  const timer = setInterval(sessions.tick, TICK_MS)
  return {
    ports: servers.map(portOf),
    connectionCount: () => lines.size,
    stopAccepting,
    untilEmpty: async withinMs => {
      if (lines.size === 0) return
      emptied = Promise.withResolvers()
      const late = setTimeout(emptied.resolve, withinMs)
      await emptied.promise
      clearTimeout(late)
    },
    stopListening: () => {
      clearInterval(timer)
      stopAccepting()
      for (const { socket } of lines) socket.pause()
    },
    endAll: () => {
      for (const line of lines) end(line)
      flushAll()
    },
  }
}

async function listen(
  { host, port, isShared }: StratumPort,
  accept: (socket: Socket) => void,
): Promise<Server> {
  const keepAlive = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS }
  const server = createServer({ noDelay: true, ...keepAlive }, accept)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, reusePort: isShared }, () => resolve())
  })
  return server
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
