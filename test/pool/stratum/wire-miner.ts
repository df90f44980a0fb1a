import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'

/** A line of the pool. */
export type Message = { readonly [key: string]: unknown }

/** A miner with a real socket, which does what a test tells it and nothing by itself. */
export type WireMiner = Awaited<ReturnType<typeof connectMiner>>

/**
 * @param before what a proxy would put before the connection
 * @param isSafe by TLS, whoever's certificate that is
 */
export async function connectMiner(to: {
  readonly port: number
  readonly before?: Uint8Array | string
  readonly isSafe?: boolean
}) {
  const plain = connect(to.port, '127.0.0.1')
  await once(plain, 'connect')
  const { before = '' } = to
  if (!to.isSafe && before !== '') plain.write(before)
  const socket: Socket = to.isSafe
    ? connectTls({ socket: inOnePiece(plain, before), rejectUnauthorized: false })
    : plain
  const messages: Message[] = []
  const waiting = new Set<() => void>()
  let text = ''
  let isClosed = false
  const look = () => {
    for (const each of waiting) each()
  }
  socket.on('data', chunk => {
    const lines = (text + chunk.toString()).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) messages.push(JSON.parse(line))
    look()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
    look()
  })
  const until = <T>(found: () => T | undefined | false) =>
    new Promise<T>((resolve, reject) => {
      const check = () => {
        const value = found()
        if (value === undefined || value === false) {
          if (isClosed) reject(new Error('closed'))
          return
        }
        waiting.delete(check)
        resolve(value)
      }
      waiting.add(check)
      check()
    })
  return {
    socket,
    messages,
    send: (message: object | string) =>
      socket.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
    reply: (id: unknown) =>
      until(() => messages.find(each => each['id'] === id && !each['method'])),
    notified: (count = 1) =>
      until(() => messages.filter(each => each['method'] === 'mining.notify')[count - 1]),
    closed: () => until(() => isClosed),
  }
}

/** What a proxy says, and the first words of the handshake, in one segment: the hardest case. */
function inOnePiece(socket: Socket, before: Uint8Array | string): Duplex {
  let start = Buffer.from(before)
  const joined = new Duplex({
    read: () => {},
    write(chunk: Buffer, _encoding, done) {
      socket.write(Buffer.concat([start, chunk]), done)
      start = Buffer.alloc(0)
    },
    destroy(error, done) {
      socket.destroy()
      done(error)
    },
  })
  socket.on('data', chunk => joined.push(chunk))
  socket.on('close', () => joined.push(null))
  return joined
}
