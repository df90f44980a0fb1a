import { createServer, type Server, type Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { type IpNetwork, isWithin, parseIp } from '../../lib/ip-address.ts'
import type { Clock } from '../../lib/time.ts'
import type { Guard } from './guard.ts'
import { type ProxySource, readProxyHeader } from './proxy-header.ts'
import type { StratumPort } from './stratum-server.ts'

/** Sockets of one process, with those not let in yet; one more is closed at once. */
const SOCKETS_MAX = 20_000
/** Whoever has not said its PROXY header, or is not done with TLS, within each, is cut off. */
const ENTER_WITHIN_MS = 5000
/** A connection that is silent for so long is probed by the kernel, which finds out who is gone. */
const KEEP_ALIVE_AFTER_MS = 60_000

/** Who is let in, and who was not. */
export type Door = {
  /** Rejects when the port cannot be had. */
  readonly open: (port: StratumPort, secure: SecureContext | null) => Promise<Server>
  /** Connections refused since the last call, by the guard's reason. */
  readonly takeRefused: () => Readonly<Record<'too many' | 'banned', number>>
}

/**
 * Everything between a connection and its first line: which address it really comes from, whether
 * that one may connect, and TLS. In this order, so that who is banned costs no handshake.
 *
 * @param proxies who must say, and alone may say, for whom it connects
 * @param onEntered has the socket from then on, which may hold bytes already
 */
export function createDoor(options: {
  readonly guard: Guard
  readonly proxies: readonly IpNetwork[]
  readonly clock: Clock
  readonly onEntered: (socket: Socket, source: ProxySource, port: StratumPort) => void
}): Door {
  const { guard, proxies, clock, onEntered } = options
  let sockets = 0
  let refused = { 'too many': 0, banned: 0 }

  function knock(socket: Socket, port: StratumPort, secure: SecureContext | null): void {
    const { remoteAddress, remotePort } = socket
    if (sockets >= SOCKETS_MAX || remoteAddress === undefined || remotePort === undefined) {
      socket.destroy()
      return
    }
    sockets += 1
    socket.once('close', () => {
      sockets -= 1
    })
    // A broken connection is an ended one; `close` follows.
    socket.on('error', () => socket.destroy())
    const peer = { host: remoteAddress, port: remotePort }
    const enter = (source: ProxySource) => admit(socket, source, port, secure)
    if (isProxy(peer.host)) hearProxy(socket, source => enter(source ?? peer))
    else enter(peer)
  }

  function isProxy(host: string): boolean {
    if (proxies.length === 0) return false
    const address = parseIp(host)
    return address !== null && proxies.some(network => isWithin(address, network))
  }

  function admit(
    socket: Socket,
    source: ProxySource,
    port: StratumPort,
    secure: SecureContext | null,
  ): void {
    const verdict = guard.admit(source.host, clock.now())
    if (verdict !== 'admitted') {
      refused[verdict] += 1
      socket.destroy()
      return
    }
    socket.once('close', () => guard.leave(source.host))
    if (secure === null) onEntered(socket, source, port)
    else shakeHands(socket, secure, safe => onEntered(safe, source, port))
  }

  return {
    open: (port, secure) => listen(port, socket => knock(socket, port, secure)),
    takeRefused: () => {
      const taken = refused
      refused = { 'too many': 0, banned: 0 }
      return taken
    },
  }
}

/** Reads the PROXY header and leaves what follows it in the socket. */
function hearProxy(socket: Socket, onSource: (source: ProxySource | null) => void): void {
  const late = cutOffLate(socket)
  let heard = Buffer.alloc(0)
  const hear = (chunk: Buffer) => {
    heard = Buffer.concat([heard, chunk])
    const header = readProxyHeader(heard)
    if (header.kind === 'incomplete') return
    clearTimeout(late)
    socket.off('data', hear)
    if (header.kind === 'none') {
      socket.destroy()
      return
    }
    socket.pause()
    if (heard.length > header.bytes) socket.unshift(heard.subarray(header.bytes))
    onSource(header.source)
  }
  socket.on('data', hear)
}

function shakeHands(
  socket: Socket,
  secureContext: SecureContext,
  onSafe: (socket: TLSSocket) => void,
): void {
  const late = cutOffLate(socket)
  const safe = new TLSSocket(socket, { isServer: true, secureContext })
  // Whoever speaks no TLS, or another one, is no miner of this port.
  safe.on('error', () => socket.destroy())
  safe.once('secure', () => {
    clearTimeout(late)
    onSafe(safe)
  })
}

function cutOffLate(socket: Socket): NodeJS.Timeout {
  const late = setTimeout(() => socket.destroy(), ENTER_WITHIN_MS)
  socket.once('close', () => clearTimeout(late))
  return late
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
