import { createServer as createTcpServer, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { selfSigned } from '../../../src/devnet/certificate.ts'
import { connectLnd, type LndConnection } from '../../../src/lib/nodes/lnd-grpc-client.ts'
import {
  balanceReply,
  channelsReply,
  infoReply,
  paymentReply,
} from '../../../src/lib/nodes/lnd-replies.ts'
import { NodeUnreachable } from '../../../src/lib/nodes/post-client.ts'

const sockets = new Set<Socket>()
/** Takes the connection, and says nothing ever after. */
const mute = createTcpServer(socket => void sockets.add(socket))
let connection: LndConnection

beforeAll(async () => {
  await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve))
  const address = mute.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  connection = connectLnd({
    socket: `localhost:${port}`,
    cert: Buffer.from(selfSigned(['localhost']).cert),
    macaroon: Uint8Array.of(1),
  })
})

afterAll(() => {
  connection.close()
  for (const socket of sockets) socket.destroy()
  mute.close()
})

test('a node that says nothing is not waited for without end, in a call and in a stream', async () => {
  const asked = { request: {}, timeoutMs: 200 }
  const call = connection.call(z.unknown(), { ...asked, service: 'default', method: 'getInfo' })
  await expect(call).rejects.toThrow(NodeUnreachable)
  const stream = connection.watch(z.unknown(), {
    ...{ ...asked, service: 'router', method: 'trackPaymentV2' },
  })
  await expect(stream.next()).rejects.toThrow(NodeUnreachable)
})

const hops = (...ids: readonly string[]) => ids.map(chan_id => ({ chan_id }))
const PAYMENT = {
  payment_hash: 'ab'.repeat(32),
  payment_preimage: '00'.repeat(32),
  value_msat: '1000000',
  fee_msat: '1001',
  status: 'IN_FLIGHT',
  payment_index: '18446744073709551615',
  htlcs: [
    { status: 'FAILED', route: { total_time_lock: 999, hops: hops('1') } },
    { status: 'IN_FLIGHT', route: { total_time_lock: 700, hops: hops('2', '9') } },
    { status: 'IN_FLIGHT', route: { total_time_lock: 800, hops: hops('18446744073709551615') } },
  ],
}

test('a payment is read exactly, and waits for its last part', () => {
  expect(paymentReply.parse(PAYMENT)).toEqual({
    ...{ paymentHash: 'ab'.repeat(32), preimage: '00'.repeat(32), status: 'in flight' },
    ...{ amount: 1_000_000n, fee: 1001n, index: 2n ** 64n - 1n },
    ...{ unresolvedHtlcs: 2, untilHeight: 800, firstHops: ['2', '18446744073709551615'] },
  })
})

const CHANNEL = {
  ...{ chan_id: '18446744073709551615', channel_point: `${'cd'.repeat(32)}:1` },
  ...{ remote_pubkey: `02${'ee'.repeat(32)}`, capacity: '5000000', active: true, lifetime: '61' },
  pending_htlcs: [{ hash_lock: Buffer.from('ab'.repeat(32), 'hex') }],
}

test('a channel is read with what it carries, and for how long lnd has watched it', () => {
  expect(channelsReply.parse({ channels: [CHANNEL] }).channels).toEqual([
    {
      ...{ id: '18446744073709551615', coin: { txid: 'cd'.repeat(32), vout: 1 } },
      ...{ peer: `02${'ee'.repeat(32)}`, capacity: 5_000_000n, isActive: true },
      ...{ carries: ['ab'.repeat(32)], watchedMs: 61_000 },
    },
  ])
  for (const change of [{ pending_htlcs: undefined }, { lifetime: undefined }, { chan_id: '' }])
    expect(channelsReply.safeParse({ channels: [{ ...CHANNEL, ...change }] }).success).toBe(false)
})

test('a reply that makes no sense is none', () => {
  for (const change of [
    { status: 'UNKNOWN' },
    { status: 'DONE' },
    { value_msat: '-1' },
    { value_msat: '1.5' },
    { value_msat: 1000 },
    { value_msat: '2100000000000000001' },
    { payment_hash: 'ab' },
    { payment_preimage: '' },
    { htlcs: [{ status: 'LOST', route: { total_time_lock: 1, hops: hops('1') } }] },
    { htlcs: [{ status: 'FAILED', route: { total_time_lock: 1, hops: [] } }] },
    { htlcs: undefined },
  ])
    expect(paymentReply.safeParse({ ...PAYMENT, ...change }).success, JSON.stringify(change)).toBe(
      false,
    )
  expect(infoReply.safeParse({}).success).toBe(false)
  expect(balanceReply.safeParse({ local_balance: { msat: '-5' } }).success).toBe(false)
})
