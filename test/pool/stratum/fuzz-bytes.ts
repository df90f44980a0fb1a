import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { utf8 } from '../../../src/lib/bytes.ts'
import { fuzzedLine } from './fuzz-lines.ts'
import { connectMiner } from './wire-miner.ts'

const USER = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'

/** Bytes as nobody sends them, lines whole and cut, ends missing and doubled. */
const piece = fc.oneof(
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  { weight: 4, arbitrary: fuzzedLine.map(text => utf8(`${text}\n`)) },
  { weight: 2, arbitrary: fuzzedLine.map(utf8) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(
        '{"id":1,"method":"mining.subscribe","params":[]}\n',
        '{"id":2,"method":"mining.authorize","params":["w","x"]}\n',
        '{"id":3,"method":"mining.submit","params":["w","1","0000000000000000","6553f100","1"]}\n',
        '\r\n\n\n',
        '\u0000',
      )
      .map(utf8),
  },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(20_000).fill(0x20)) },
)
const visit = fc.record({
  pieces: fc.array(piece, { maxLength: 12 }),
  end: fc.constantFrom<'end' | 'destroy' | 'reset'>('end', 'destroy', 'reset'),
})

/**
 * Whatever bytes one connection sends, in whatever pieces, and however it ends, another one of the
 * same server is answered. Six at a time, since they must not disturb each other either.
 */
export async function fuzzBytes(port: number, numRuns: number, seed?: number): Promise<void> {
  const steady = await connectMiner({ port })
  steady.send({ id: 'open', method: 'mining.subscribe', params: [] })
  steady.send({ id: 'known', method: 'mining.authorize', params: [USER, 'x'] })
  await steady.reply('known')
  let asked = 0
  const property = fc.asyncProperty(
    fc.array(visit, { minLength: 1, maxLength: 6 }),
    async visits => {
      await Promise.all(visits.map(each => pay(port, each)))
      asked += 1
      steady.send({ id: asked, method: 'mining.ping', params: [] })
      await steady.reply(asked)
    },
  )
  try {
    await fc.assert(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
  } finally {
    steady.socket.destroy()
  }
}

type Visit = { readonly pieces: readonly Uint8Array[]; readonly end: 'end' | 'destroy' | 'reset' }

async function pay(port: number, { pieces, end }: Visit): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  socket.resume()
  const closed = once(socket, 'close')
  await Promise.race([once(socket, 'connect'), closed])
  for (const bytes of pieces) {
    if (socket.destroyed) break
    await new Promise<void>(resolve => socket.write(bytes, () => resolve()))
  }
  if (end === 'end') socket.end()
  else if (end === 'destroy') socket.destroy()
  else socket.resetAndDestroy()
  await closed
}
