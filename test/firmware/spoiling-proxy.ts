import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { z } from 'zod'

const message = z.looseObject({
  id: z.unknown().optional(),
  method: z.string().optional(),
  params: z.array(z.unknown()).optional(),
  result: z.unknown().optional(),
})
export type Line = z.infer<typeof message>
/** What a client hears in place of a line of the pool's. */
export type Spoil = (line: Line) => readonly object[]

/** Stands between a client and a pool, and spoils what the pool says. */
export async function spoilingProxy(poolPort: number, spoil: Spoil) {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, client => {
    const pool = connect({ port: poolPort, host: '127.0.0.1', noDelay: true })
    for (const socket of [client, pool]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
    client.pipe(pool)
    client.on('close', () => pool.destroy())
    pool.on('close', () => client.end())
    createInterface(pool).on('line', text => {
      for (const line of spoil(message.parse(JSON.parse(text))))
        client.write(`${JSON.stringify(line)}\n`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Only these lines are spoilt. */
export const ifMethod = (method: string, spoil: Spoil): Spoil => {
  return line => (line.method === method ? spoil(line) : [line])
}
export const ifAnswer = (id: number, spoil: Spoil): Spoil => {
  return line => (line.method === undefined && line.id === id ? spoil(line) : [line])
}

/** A param of a line replaced. */
export function withParam(line: Line, at: number, change: (param: unknown) => unknown): Line {
  const params = line.params?.map((param, index) => (index === at ? change(param) : param))
  return { ...line, params }
}

/** An element of an array result replaced. */
export function withResult(line: Line, at: number, value: unknown): Line {
  const result = Array.isArray(line.result) ? line.result : []
  return { ...line, result: result.map((part, index) => (index === at ? value : part)) }
}
