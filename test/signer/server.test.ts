import { once } from 'node:events'
import { request } from 'node:https'
import { connect as connectPlain, type Socket } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  confirmHeads,
  SIGNER_MESSAGE_BYTES_MAX,
  signFreezeAct,
  signRequestJson,
} from '../../src/approval/index.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { PSK_IDENTITY, PSK_TLS } from '../../src/lib/psk.ts'
import { signerClient } from '../../src/payouts/signer-client.ts'
import { type SignerServer, startSignerServer } from '../../src/signer/signer-server.ts'
import {
  coin,
  KEYS,
  manifestOf,
  psbtOf,
  requestOf,
  type SignerWorld,
  START,
  signerWorld,
  txidOfCoin,
} from './world.ts'

const HOST = '127.0.0.1'
const KEY = new Uint8Array(32).fill(0x11)
const OTHER_KEY = new Uint8Array(32).fill(0x12)
/** For what the server's own timers end; far above them. */
const CUT_OFF_MS = 30_000

let world: SignerWorld
let server: SignerServer
beforeAll(async () => {
  world = await signerWorld()
  const log = createLog('test', 'silent')
  server = await startSignerServer({
    ...{ host: HOST, port: 0, channelKey: KEY, signer: world.signer, log },
  })
})
afterAll(async () => {
  await server.stop()
  await world.remove()
})

const own = coin(100_000_000n, 0)
const manifest = manifestOf({ anchor: { txid: txidOfCoin(own), vout: 0 } })
const REQUEST = requestOf(manifest, psbtOf(manifest, [own], 1000n))

const clientWith = (channelKey: Uint8Array) =>
  signerClient({ host: HOST, port: server.port, channelKey })

const channel = (key: Uint8Array, over: ConnectionOptions = {}): ConnectionOptions => ({
  ...PSK_TLS,
  ...{ host: HOST, port: server.port },
  pskCallback: () => ({ psk: Buffer.from(key), identity: PSK_IDENTITY }),
  checkServerIdentity: () => undefined,
  ...over,
})

/** The status of a reply, or that the connection ended without one. */
async function post(path: string, body: string | Uint8Array, method = 'POST'): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  const asked = request({ ...channel(KEY), path, method, agent: false }, response => {
    response.resume()
    resolve(response.statusCode ?? 0)
  })
  asked.on('error', () => resolve(0))
  asked.end(body)
  return promise
}

const ended = (socket: Socket) =>
  new Promise<void>(resolve => {
    socket.on('error', () => undefined)
    socket.once('close', () => resolve())
    socket.resume()
  })

describe('the channel', () => {
  test('signs for whoever has the key', async () => {
    const answer = await clientWith(KEY).sign(REQUEST)
    expect(answer).toMatchObject({ kind: 'answer', value: { kind: 'signed' } })
  })

  test('gives whoever has another key nothing', async () => {
    const answer = await clientWith(OTHER_KEY).sign(REQUEST)
    expect(answer.kind).toBe('no answer')
    const socket = connect(channel(OTHER_KEY))
    socket.on('secureConnect', () => expect.unreachable('a wrong key got in'))
    await ended(socket)
  })

  test.each<[string, ConnectionOptions]>([
    ['no key', { pskCallback: () => null }],
    ['another name', { pskCallback: () => ({ psk: Buffer.from(KEY), identity: 'root' }) }],
    [
      'an older TLS',
      { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'PSK-CHACHA20-POLY1305' },
    ],
  ])('gives whoever comes with %s nothing', async (_, over) => {
    const socket = connect(channel(KEY, over))
    socket.on('secureConnect', () => expect.unreachable('a caller without the key got in'))
    await ended(socket)
  })

  test('keeps what was said secret even from one who gets the key later', async () => {
    const socket = connect(channel(KEY))
    await once(socket, 'secureConnect')
    expect(socket.getProtocol()).toBe('TLSv1.3')
    expect(Object.keys(socket.getEphemeralKeyInfo() ?? {})).toContain('type')
    socket.destroy()
  })

  test('brings the pool no answer of one who has no key', async () => {
    const impostor = await startSignerServer({
      ...{ host: HOST, port: 0, channelKey: OTHER_KEY, signer: world.signer },
      log: createLog('test', 'silent'),
    })
    const client = signerClient({ host: HOST, port: impostor.port, channelKey: KEY })
    expect((await client.sign(REQUEST)).kind).toBe('no answer')
    await impostor.stop()
    expect((await client.sign(REQUEST)).kind).toBe('no answer')
  })
})

describe('questions', () => {
  test('status, confirmation and freezes are answered', async () => {
    const client = clientWith(KEY)
    const status = await client.status({ head: null })
    expect(status).toMatchObject({ value: { network: 'regtest', refuses: null } })
    if (status.kind !== 'answer') return
    const pair = { signer: status.value.head, pool: status.value.head }
    expect(await client.confirm(confirmHeads(KEYS.alice, pair))).toMatchObject({
      value: { kind: 'refused', reason: 'this memory holds that head already' },
    })
    const words = { network: 'regtest', scope: 'thunder', reason: 'a test', at: unixMs(START) }
    const act = signFreezeAct(KEYS.alice, { kind: 'freeze', ...words })
    const taken = await client.freeze([act])
    expect(taken).toMatchObject({ value: { kind: 'taken' } })
    expect(await client.freeze([act])).toEqual(taken)
  })

  test('what is no question gets a status and nothing else', async () => {
    expect(await post('/sign', '{}')).toBe(400)
    expect(await post('/sign', 'not json')).toBe(400)
    expect(await post('/sign', `[${signRequestJson(REQUEST)}]`)).toBe(400)
    expect(await post('/status', '{"head":null,"more":1}')).toBe(400)
    expect(await post('/keys', '{}')).toBe(404)
    expect(await post('/sign', '', 'GET')).toBe(405)
  })

  test('16 MB are read, a byte more is not', async () => {
    const long = (bytes: number) => new Uint8Array(bytes).fill(0x20)
    expect(await post('/sign', long(SIGNER_MESSAGE_BYTES_MAX))).toBe(400)
    expect([0, 413]).toContain(await post('/sign', long(SIGNER_MESSAGE_BYTES_MAX + 1)))
    expect((await clientWith(KEY).status({ head: null })).kind).toBe('answer')
  })

  test('deep and wide JSON does not stop it', async () => {
    expect(await post('/sign', '['.repeat(1_000_000))).toBe(400)
    expect(await post('/sign', JSON.stringify({ rail: 'l1', acts: Array(200_000).fill(0) }))).toBe(
      400,
    )
    expect((await clientWith(KEY).status({ head: null })).kind).toBe('answer')
  })
})

describe('slowness', () => {
  test('a caller who says nothing is cut off', { timeout: CUT_OFF_MS }, async () => {
    await ended(connectPlain(server.port, HOST))
  })

  test('a caller with the key who dawdles is cut off', { timeout: CUT_OFF_MS }, async () => {
    const socket = connect(channel(KEY))
    await once(socket, 'secureConnect')
    socket.write('POST /sign HTTP/1.1\r\nhost: x\r\n')
    await ended(socket)
  })

  test('more callers than it takes are turned away, and it goes on', {
    timeout: CUT_OFF_MS,
  }, async () => {
    const idle = Array.from({ length: 40 }, () => connectPlain(server.port, HOST))
    await Promise.all(idle.map(ended))
    expect((await clientWith(KEY).status({ head: null })).kind).toBe('answer')
  })
})
