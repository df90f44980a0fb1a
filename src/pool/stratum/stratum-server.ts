import type { Server, Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { IpNetwork } from '../../lib/ip-address.ts'
import type { Log } from '../../lib/log.ts'
import type { Clock } from '../../lib/time.ts'
import type { CoinbasePays } from '../finder-coinbase.ts'
import type { VardiffRule } from '../vardiff.ts'
import { type Connection, minesWell } from './connection.ts'
import { createDoor } from './door-server.ts'
import type { Guard } from './guard.ts'
import { LINE_BYTES_MAX } from './messages.ts'
import type { ProxySource } from './proxy-header.ts'
import type { SessionServer } from './session-server.ts'

/** What may wait to be read by a miner; a slower reader is dropped. */
const WRITE_BYTES_MAX = 262_144
/** A connection that we end is cut after so long, whether the other side reads or not. */
const END_WITHIN_MS = 2000
/** Lines of one connection until it is the others' turn. */
const LINES_AT_ONCE = 64
/** Until whoever has no share accepted is heard again after so many lines: floods come slowly. */
const UNHEARD_MS = 250
const TICK_MS = 5000
/** Connections that were refused are counted, and told in the log this often. */
const TELL_REFUSED_EVERY_MS = 60_000
const NEWLINE = 0x0a
const NOTHING = Buffer.alloc(0)

/** A port is a promise: its scheme says how its miners are paid. */
export type StratumPort = {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly scheme: string
  readonly rule: VardiffRule
  /** Whom the coinbases of its jobs pay. */
  readonly coinbasePays: CoinbasePays
  /** Several processes of this machine listen on it, and the kernel shares out the miners. */
  readonly isShared: boolean
  /** The certificate with its chain, and its key, as PEM; without them the port speaks plainly. */
  readonly tls?: { readonly certificate: string; readonly key: string }
}

/** Who may connect, and what is put before them. */
export type StratumDoor = {
  readonly guard: Guard
  /** Addresses of proxies that say for whom they connect (the PROXY protocol, either version). */
  readonly proxies: readonly IpNetwork[]
  readonly clock: Clock
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
  /** Bytes since the last newline, or since the last line that was heard. */
  rest: Buffer
  /** Lines since the others had their turn. */
  heard: number
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
  { guard, proxies, clock }: StratumDoor,
): Promise<StratumListener> {
  const lines = new Set<Line>()
  let toFlush = new Set<Line>()
  let emptied = Promise.withResolvers<void>()
  let isListening = true

  function accept(socket: Socket, source: ProxySource, promise: StratumPort): void {
    const { host, port } = source
    const wire = { host, port, send: (text: string) => write(line, text), end: () => end(line) }
    const connection = sessions.connect(wire, promise)
    const line: Line = { socket, connection, rest: NOTHING, heard: 0, out: '', isEnding: false }
    lines.add(line)
    socket.on('data', chunk => hear(line, chunk))
    socket.on('close', () => {
      lines.delete(line)
      sessions.closed(connection)
      if (lines.size === 0) emptied.resolve()
    })
    // It waits where a header or a handshake came before its lines.
    socket.resume()
  }

  function hear(line: Line, chunk: Buffer): void {
    let bytes = line.rest.length > 0 ? Buffer.concat([line.rest, chunk]) : chunk
    while (!line.isEnding) {
      const at = bytes.indexOf(NEWLINE)
      if ((at === -1 ? bytes.length : at) > LINE_BYTES_MAX) sessions.hearOverlong(line.connection)
      if (at === -1 || line.isEnding) break
      if (isListening && line.heard === LINES_AT_ONCE) {
        hearLater(line)
        break
      }
      line.heard += 1
      sessions.hear(line.connection, bytes.subarray(0, at))
      bytes = bytes.subarray(at + 1)
    }
    // A copy, since what is left of a chunk would keep all of it.
    line.rest = line.isEnding || bytes.length === 0 ? NOTHING : Buffer.from(bytes)
  }

  /** Reads no more of it until then, so that what it sends waits with the sender. */
  function hearLater(line: Line): void {
    line.socket.pause()
    const hearOn = () => {
      line.heard = 0
      if (!isListening || line.socket.destroyed) return
      line.socket.resume()
      hear(line, NOTHING)
    }
    if (minesWell(line.connection)) setImmediate(hearOn)
    else setTimeout(hearOn, UNHEARD_MS).unref()
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
      log.info({ host: line.connection.wire.host }, 'dropped a miner that reads too slowly')
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

  function tellRefused(): void {
    const refused = door.takeRefused()
    if (Object.values(refused).some(count => count > 0)) log.info(refused, 'connections refused')
  }

  const door = createDoor({ guard, proxies, clock, onEntered: accept })
  const servers = await Promise.all(
    ports.map(port => {
      const { tls } = port
      const secure = tls && { cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' as const }
      return door.open(port, secure ? createSecureContext(secure) : null)
    }),
  )
  const teller = setInterval(tellRefused, TELL_REFUSED_EVERY_MS)
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
      isListening = false
      clearInterval(timer)
      clearInterval(teller)
      stopAccepting()
      for (const line of lines) {
        line.socket.pause()
        // What was read is heard, whosever turn it is.
        hear(line, NOTHING)
      }
    },
    endAll: () => {
      for (const line of lines) end(line)
      flushAll()
    },
  }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
