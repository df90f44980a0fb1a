import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { sharedNowMs } from './child.ts'

/** What a rig reports; times in milliseconds. */
export type Watch = {
  readonly answered: (rig: Rig, isAccepted: boolean, tookMs: number) => void
  /** @param isFull where the job has transactions */
  readonly notified: (atMs: number, isFull: boolean) => void
}

/** A miner that does not hash: whatever it submits meets the difficulty. */
export type Rig = {
  readonly submit: () => void
  /** Shares on a job that nobody sent, in one write; what is answered to them is not read. */
  readonly submitBad: (count: number) => void
  readonly isOpen: () => boolean
  readonly end: () => void
}

const HANDSHAKE_MS_MAX = 60_000
const SUBMIT_REPLY = '{"id":3,'
const ACCEPTED = '{"id":3,"result":true'
const BAD_REPLY = '{"id":4,'

/** Each extranonce2 is used once. */
let shares = 0n

/** Subscribes and authorizes; resolves when the rig is authorized and has a job. */
export async function startRig(port: number, username: string, watch: Watch): Promise<Rig> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const say = (id: number, method: string, params: readonly string[]) =>
    socket.write(`${JSON.stringify({ id, method, params })}\n`)
  let job: string | null = null
  let isAuthorized = false
  let submitStart = ''
  let submitEnd = ''
  let sentAt = 0
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>()
  const late = setTimeout(() => reject(new Error('no job in time')), HANDSHAKE_MS_MAX)

  function hear(line: string): void {
    if (line.startsWith(SUBMIT_REPLY)) {
      watch.answered(rig, line.startsWith(ACCEPTED), performance.now() - sentAt)
      return
    }
    if (line.startsWith(BAD_REPLY)) return
    const { id, method, result, params } = JSON.parse(line)
    if (method === 'mining.notify') {
      if (job !== null) watch.notified(sharedNowMs(), params[4].length > 0)
      job = String(params[0])
      submitStart = `{"id":3,"method":"mining.submit","params":["${username}","${job}","`
      submitEnd = `","${params[7]}","00000000"]}\n`
    }
    if (id === 2 && result !== true) reject(new Error(line))
    isAuthorized ||= id === 2 && result === true
    if (isAuthorized && job !== null) resolve()
  }

  const rig: Rig = {
    submit() {
      shares += 1n
      sentAt = performance.now()
      socket.write(submitStart + shares.toString(16).padStart(16, '0') + submitEnd)
    },
    submitBad(count) {
      const params = [username, 'ffffffffffff', '0'.repeat(16), '65000000', '00000000']
      const bad = `${JSON.stringify({ id: 4, method: 'mining.submit', params })}\n`
      socket.write(bad.repeat(count))
    },
    isOpen: () => !socket.destroyed && socket.writable,
    end: () => socket.destroy(),
  }
  hearLines(socket, hear)
  say(1, 'mining.subscribe', ['bench/1'])
  say(2, 'mining.authorize', [username, 'x'])
  await ready
  clearTimeout(late)
  return rig
}

function hearLines(socket: Socket, hear: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(hear)
  })
  socket.on('error', () => socket.destroy())
}
