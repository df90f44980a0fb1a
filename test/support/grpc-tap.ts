import {
  type ClientHttp2Session,
  connect,
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { selfSigned } from '../../src/devnet/certificate.ts'
import type { LndAccess } from '../../src/lib/nodes/lnd-grpc-client.ts'
import type { Direction, TapProxy, Verdict } from './tap-proxy.ts'

const NAME = 'localhost'
const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, HTTP2_HEADER_PATH } = constants

/** A proxy in front of an lnd, with what a client needs to take it for the lnd. */
export type GrpcTap = TapProxy & Pick<LndAccess, 'socket' | 'cert'>

/**
 * Stands between an lnd and a client of it, so that a test can strike at an exact call.
 *
 * @param tap sees the path of each call before lnd hears it, and once more when lnd has begun to
 *   answer and the client has not heard it; where it drops one, the connection breaks
 * Source: gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md).
 */
export async function startGrpcTap(
  lnd: Pick<LndAccess, 'socket' | 'cert'>,
  tap: (direction: Direction, chunk: Buffer, call: number) => Verdict,
): Promise<GrpcTap> {
  const { key, cert } = selfSigned([NAME])
  const open = new Set<ServerHttp2Session>()
  let calls = 0
  const server = createSecureServer({ key, cert })
  server.on('session', client => {
    const upstream = connect(`https://${lnd.socket}`, { ca: Buffer.from(lnd.cert) })
    open.add(client)
    // An error on one side is for the other side a closed connection, as without the proxy.
    for (const each of [client, upstream]) each.on('error', () => each.destroy())
    client.on('close', () => {
      open.delete(client)
      upstream.destroy()
    })
    upstream.on('close', () => client.destroy())
    client.on('stream', (stream, headers) => {
      const call = ++calls
      const path = Buffer.from(String(headers[HTTP2_HEADER_PATH]))
      const isHeard = (way: Direction) => tap(way, path, call) === 'pass'
      stream.on('error', () => stream.destroy())
      if (upstream.destroyed || !isHeard('to server')) return client.destroy()
      forward(upstream, stream, headers, () => {
        const passes = isHeard('to client')
        if (!passes) client.destroy()
        return passes
      })
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const cut = () => {
    for (const client of open) client.destroy()
  }
  return {
    ...{ port, cut, socket: `${NAME}:${port}`, cert: Buffer.from(cert) },
    close: () => {
      cut()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}

/** One call, its messages and its end, with all that either side says beside them. */
function forward(
  upstream: ClientHttp2Session,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  mayBeHeard: () => boolean,
): void {
  const request = upstream.request(headers)
  let trailers: IncomingHttpHeaders = {}
  request.on('error', () => request.destroy())
  stream.pipe(request)
  // lnd stops trying new ways where whoever asked is gone, so it must learn of that.
  stream.on('close', () => request.close(NGHTTP2_CANCEL))
  request.on('response', (reply, flags) => {
    if (!mayBeHeard() || stream.destroyed) return
    const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    stream.respond(reply, { endStream, waitForTrailers: !endStream })
    if (!endStream) request.pipe(stream)
  })
  request.on('trailers', said => {
    trailers = said
  })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
}
