import { spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { ofKind, type TestMiner, testMiner } from '../support/miner.ts'

const JOB = [
  'job-1',
  '0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000',
  'aabb',
  'ccdd',
  ['11'.repeat(32)],
  '20000000',
  '207fffff',
  '4966bc61',
  true,
]
const EXTRANONCE1 = '01020304'
const EASY = 2 ** -20
const MASK = 0x1fffe000

const request = z.object({ id: z.number(), method: z.string(), params: z.array(z.unknown()) })
type Request = z.infer<typeof request>
type Say = (value: object) => void

type ScriptedPool = { port: number; requests: Request[]; sockets: Socket[]; close: () => void }

/** A pool that does what the test says, so that it can also do what no good pool does. */
async function scriptedPool(
  answer: (asked: Request, say: Say, socket: Socket) => void,
): Promise<ScriptedPool> {
  const requests: Request[] = []
  const sockets: Socket[] = []
  const server = createServer({ noDelay: true }, socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    createInterface(socket).on('line', line => {
      const asked = request.parse(JSON.parse(line))
      requests.push(asked)
      answer(asked, value => socket.write(`${JSON.stringify(value)}\n`), socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address !== 'object') throw new Error('no port')
  const close = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port: address.port, requests, sockets, close }
}

/** The usual answers up to the first job. True when the request was one of those. */
function welcome({ id, method }: Request, say: Say, extranonce1 = EXTRANONCE1): boolean {
  const reply = (result: unknown) => say({ id, result, error: null })
  switch (method) {
    case 'mining.configure':
      reply({ 'version-rolling': true, 'version-rolling.mask': '1fffe000' })
      return true
    case 'mining.subscribe':
      reply([
        [
          ['mining.set_difficulty', 's1'],
          ['mining.notify', 's1'],
        ],
        extranonce1,
        8,
      ])
      say({ id: null, method: 'mining.set_difficulty', params: [EASY] })
      say({ id: null, method: 'mining.notify', params: JOB })
      return true
    case 'mining.authorize':
      reply(true)
      return true
    default:
      return false
  }
}

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

function started(pool: ScriptedPool): TestMiner {
  const miner = testMiner({ port: pool.port, user: 'rig.1' })
  stops.push(miner.stop, pool.close)
  return miner
}

const sha256d = (bytes: Uint8Array) => hash('sha256', hash('sha256', bytes, 'buffer'), 'buffer')

/** What a share hashes to, as people write it, worked out here from the lines alone. */
function hashOfShare(params: readonly unknown[], extranonce1 = EXTRANONCE1): string {
  const [, , extranonce2, time, nonce, bits] = z.array(z.string()).parse(params)
  const flip = (hex = '') => Buffer.from(hex, 'hex').reverse()
  const coinbase = Buffer.from(`aabb${extranonce1}${extranonce2}ccdd`, 'hex')
  const root = sha256d(Buffer.concat([sha256d(coinbase), Buffer.from('11'.repeat(32), 'hex')]))
  const version = (0x20000000 | Number.parseInt(bits ?? '0', 16)).toString(16).padStart(8, '0')
  const previous = Buffer.from(String(JOB[1]), 'hex').swap32()
  const header = [flip(version), previous, root, flip(time), flip('207fffff'), flip(nonce)]
  return sha256d(Buffer.concat(header)).reverse().toString('hex')
}

const submits = (pool: ScriptedPool) =>
  pool.requests.filter(({ method }) => method === 'mining.submit')

test('it opens in the order of cgminer and finds shares that meet the difficulty', async () => {
  const pool = await scriptedPool((asked, say) => {
    if (!welcome(asked, say)) say({ id: asked.id, result: true, error: null })
  })
  const miner = started(pool)
  const { hash: accepted } = await miner.until(ofKind('accepted'))
  const methods = pool.requests.slice(0, 4).map(({ method }) => method)
  expect(methods).toEqual(['configure', 'subscribe', 'authorize', 'submit'].map(m => `mining.${m}`))
  const [first] = submits(pool)
  expect(first?.params.slice(0, 2)).toEqual(['rig.1', 'job-1'])
  expect(hashOfShare(first?.params ?? [])).toBe(accepted)
  expect(accepted.slice(0, 3)).toBe('000')
})

test('rolled versions differ, stay inside the mask, and no share comes twice', async () => {
  const pool = await scriptedPool((asked, say) => {
    if (!welcome(asked, say)) say({ id: asked.id, result: true, error: null })
  })
  const miner = testMiner({ port: pool.port, user: 'rig.1', hashesPerSecond: null })
  stops.push(miner.stop, pool.close)
  const rolled = () => submits(pool).map(({ params }) => Number.parseInt(String(params[5]), 16))
  await miner.until((event): event is typeof event => new Set(rolled()).size > 1)
  for (const bits of rolled()) expect((bits & ~MASK) >>> 0).toBe(0)
  const hashes = submits(pool).map(({ params }) => hashOfShare(params))
  expect(new Set(hashes).size).toBe(hashes.length)
})

test('a pool that knows no version rolling gets five parameters', async () => {
  const pool = await scriptedPool((asked, say) => {
    const unknown = asked.method === 'mining.configure'
    if (unknown) say({ id: asked.id, result: null, error: [20, 'unknown', null] })
    else if (!welcome(asked, say)) say({ id: asked.id, result: true, error: null })
  })
  const miner = started(pool)
  await miner.until(ofKind('accepted'))
  expect(submits(pool)[0]?.params).toHaveLength(5)
})

test('a new difficulty counts from the next job on', async () => {
  const pool = await scriptedPool((asked, say) => {
    if (welcome(asked, say)) return
    say({ id: asked.id, result: true, error: null })
    if (submits(pool).length === 1)
      say({ id: null, method: 'mining.set_difficulty', params: [2 ** -18] })
    if (submits(pool).length === 2)
      say({ id: null, method: 'mining.notify', params: JOB.with(0, 'job-2') })
  })
  const miner = started(pool)
  await miner.until(
    (event): event is typeof event => ofKind('job')(event) && event.jobId === 'job-2',
  )
  const shares = () => miner.events.filter(ofKind('share'))
  expect(shares().map(({ difficulty }) => difficulty)).toEqual(shares().map(() => EASY))
  expect(miner.events.filter(ofKind('job')).map(({ difficulty }) => difficulty)).toEqual([
    EASY,
    2 ** -18,
  ])
})

test('a refused share comes with the reason', async () => {
  const pool = await scriptedPool((asked, say) => {
    if (!welcome(asked, say))
      say({ id: asked.id, result: null, error: [23, 'low difficulty', null] })
  })
  const { reason } = await started(pool).until(ofKind('rejected'))
  expect(reason).toBe('[23,"low difficulty",null]')
})

test('a share without an answer is sent again, the same, when the session is resumed', async () => {
  const pool = await scriptedPool((asked, say, socket) => {
    if (welcome(asked, say)) return
    // The first reply is lost with the connection.
    if (pool.sockets.length === 1) socket.destroy()
    else say({ id: asked.id, result: true, error: null })
  })
  const miner = started(pool)
  const again = await miner.until(ofKind('sent again'))
  await miner.until((event): event is typeof event => {
    return ofKind('accepted')(event) && event.hash === again.hash
  })
  const subscribed = pool.requests.filter(({ method }) => method === 'mining.subscribe')
  expect(subscribed.map(({ params }) => params[1])).toEqual([undefined, 's1'])
  const [first, second] = submits(pool)
  expect(second?.params).toEqual(first?.params)
})

test('a share without an answer is given up when the pool has forgotten the session', async () => {
  const pool = await scriptedPool((asked, say, socket) => {
    if (welcome(asked, say, pool.sockets.length === 1 ? EXTRANONCE1 : '0a0b0c0d')) return
    if (pool.sockets.length === 1) socket.destroy()
    else say({ id: asked.id, result: true, error: null })
  })
  const miner = started(pool)
  const lost = await miner.until(ofKind('lost'))
  const accepted = await miner.until(ofKind('accepted'))
  expect(accepted.hash).not.toBe(lost.hash)
  const params = submits(pool).find(each => hashOfShare(each.params, '0a0b0c0d') === accepted.hash)
  expect(params).toBeDefined()
})

test('the program prints each event as a line and ends when told to', async () => {
  const pool = await scriptedPool((asked, say) => {
    if (!welcome(asked, say)) say({ id: asked.id, result: true, error: null })
  })
  stops.push(pool.close)
  const program = join(import.meta.dirname, '../../src/devnet/cpu-miner.ts')
  const url = `stratum+tcp://127.0.0.1:${pool.port}`
  const args = [program, '--url', url, '--user', 'rig.1', '--rate', '5000']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const kinds = new Set<string>()
  for await (const line of createInterface(child.stdout)) {
    kinds.add(z.object({ kind: z.string() }).parse(JSON.parse(line)).kind)
    if (kinds.has('accepted') && !child.killed) child.kill('SIGTERM')
  }
  expect([...kinds].slice(0, 5)).toEqual(['subscribed', 'authorized', 'job', 'share', 'accepted'])
  expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(0)
})

test('the program says how to call it when called wrongly', async () => {
  const program = join(import.meta.dirname, '../../src/devnet/cpu-miner.ts')
  const child = spawn(process.execPath, [program, '--url', 'nonsense'], { stdio: 'ignore' })
  expect((await once(child, 'exit'))[0]).toBe(2)
})
