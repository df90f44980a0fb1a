import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** What a daemon is told to do with the next request. */
type Answer =
  | { readonly kind: 'reply'; readonly status: number; readonly body: string }
  /** The request was read, and the connection ends without a word. */
  | { readonly kind: 'drop' }
  /** Half of a reply, and then nothing more. */
  | { readonly kind: 'cut'; readonly body: string }
  | { readonly kind: 'silence' }

/** A request as it came. */
type Asked = {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: { readonly [key: string]: unknown }
}

/** A daemon that says what it is told, and keeps what it was asked. */
export type Answers = {
  readonly url: string
  /** For all requests to come, until told otherwise. */
  readonly answer: (answer: Answer) => void
  readonly asked: () => readonly Asked[]
  readonly last: () => Asked
  readonly stop: () => Promise<void>
}

/** Starts one on a port of its own. */
export async function startAnswers(): Promise<Answers> {
  const asked: Asked[] = []
  let answer: Answer = { kind: 'silence' }
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { url: path = '', headers } = request
    asked.push({ path, headers, body: JSON.parse(Buffer.concat(chunks).toString()) })
    give(response, answer)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : null
  return {
    url: `http://127.0.0.1:${port}`,
    answer: next => {
      answer = next
    },
    asked: () => asked,
    last() {
      const last = asked.at(-1)
      if (!last) throw new Error('nothing was asked')
      return last
    },
    async stop() {
      server.closeAllConnections()
      await new Promise(done => server.close(done))
    },
  }
}

function give(response: ServerResponse, answer: Answer): void {
  switch (answer.kind) {
    case 'reply':
      response.writeHead(answer.status).end(answer.body)
      return
    case 'drop':
      response.destroy()
      return
    case 'cut':
      response.writeHead(200, { 'content-length': answer.body.length * 2 })
      response.write(answer.body, () => response.destroy())
      return
    case 'silence':
      return
  }
}
