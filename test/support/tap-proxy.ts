import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * What becomes of bytes on their way: they go on, or vanish, and in either case the tap may act;
 * or the tap answers in the place of whoever was to hear them.
 */
export type Verdict = 'pass' | 'drop' | { readonly answer: string }
export type Direction = 'to server' | 'to client'

/** A TCP proxy that shows a test every piece of traffic and lets it lose some. */
export type TapProxy = {
  readonly port: number
  /** Breaks every connection at once, as a failing network does. */
  readonly cut: () => void
  readonly close: () => Promise<void>
}

/** How a proxy speaks to both sides. */
export type Ends = {
  readonly listen: (onClient: (client: Socket) => void) => Server
  readonly connect: (port: number) => Socket
}

const HOST = '127.0.0.1'
const PLAIN: Ends = {
  listen: onClient => createServer({ noDelay: true }, onClient),
  connect: port => connect({ port, host: HOST, noDelay: true }),
}

/**
 * Stands between a client and a server on the loopback, so that a test can strike at an exact
 * point of a conversation without a hook in the code under test.
 *
 * @param tap sees each chunk before it is forwarded, with its connection's number, and decides
 * @param ends for a conversation that is secret, as whoever has its keys speaks
 */
export async function startTapProxy(
  serverPort: () => number,
  tap: (direction: Direction, chunk: Buffer, connection: number) => Verdict,
  ends: Ends = PLAIN,
): Promise<TapProxy> {
  const open = new Set<Socket>()
  let connections = 0
  const server = ends.listen(client => {
    const number = ++connections
    const upstream = ends.connect(serverPort())
    join(client, upstream, 'to server', number)
    join(upstream, client, 'to client', number)
  })

  function join(from: Socket, to: Socket, direction: Direction, number: number): void {
    open.add(from)
    from.on('data', chunk => {
      const verdict = tap(direction, chunk, number)
      if (verdict === 'drop') return
      if (verdict !== 'pass') from.write(verdict.answer)
      else if (!to.destroyed) to.write(chunk)
    })
    // An error on one side is for the other side a closed connection, as without the proxy.
    from.on('error', () => from.destroy())
    from.on('close', () => {
      open.delete(from)
      to.destroy()
    })
  }

  await new Promise<void>(resolve => server.listen(0, HOST, resolve))
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    close: () => {
      cut()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}
