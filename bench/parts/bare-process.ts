import { type AddressInfo, createServer } from 'node:net'
import { z } from 'zod'
import { answerParent } from './child.ts'

/**
 * The reference: what Node itself needs to read a line, parse it and answer `true`. It checks
 * nothing and stores nothing; a server that does can only be slower.
 */
const NOTIFY = `${JSON.stringify({
  id: null,
  method: 'mining.notify',
  params: ['1', '', '', '', [], '', '', '65000000', true],
})}\n`

const server = createServer({ noDelay: true }, socket => {
  let rest = ''
  socket.setEncoding('utf8').write(NOTIFY)
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { id } = JSON.parse(line)
      socket.write(`${JSON.stringify({ id, result: true, error: null })}\n`)
    }
  })
  socket.on('error', () => socket.destroy())
})
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo

answerParent(z.object({ kind: z.literal('port') }), () => ({ port }))
