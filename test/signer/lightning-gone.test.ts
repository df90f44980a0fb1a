import { afterEach, beforeEach, expect, test } from 'vitest'
import { txid } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import type { LndChannel, LndPayment } from '../../src/lib/nodes/lnd-replies.ts'
import {
  AMOUNT_MSAT,
  endRequest,
  hashOfNumber,
  invoicesRequest,
  LOOK,
  lineManifest,
  offerOf,
  payRequest,
} from './lightning-world.ts'
import { type SignerWorld, START, signerWorld } from './world.ts'

const MANIFEST = lineManifest()
const HASH = hashOfNumber(1)
const MINUTES = 60_000
const ON_ITS_WAY = 'it is on its way'
const TO_BE_STARTED = 'no channel carries it any more: start lnd anew, which proves that it ended'
const PAYMENT: LndPayment = {
  ...{ paymentHash: HASH, status: 'in flight', amount: millisats(AMOUNT_MSAT), index: 6n },
  ...{ fee: millisats(0n), preimage: '00'.repeat(32), unresolvedHtlcs: 1, untilHeight: 900 },
  firstHops: ['7'],
}

let world: SignerWorld
let height: number
/** Of the one channel, as lnd shows it; null where it shows none. */
let channel: Partial<LndChannel> | null
let startedAt: number
let asked: number

beforeEach(async () => {
  height = 906
  channel = {}
  startedAt = START - 60 * MINUTES
  asked = 0
  const whole = (change: Partial<LndChannel>): LndChannel => ({
    ...{ id: '7', coin: { txid: txid('cd'.repeat(32)), vout: 0 }, peer: `02${'ee'.repeat(32)}` },
    ...{ capacity: sats(1000n), isActive: true, carries: [] },
    ...{ watchedMs: world.clock.now() - startedAt, ...change },
  })
  world = await signerWorld({
    lightning: {
      askForInvoice: async () => ({ ...offerOf(1), described: 'in words', namesAddress: true }),
      askForPreimage: async () => null,
      node: {
        open: async () => 'no channels here',
        look: async () => ({ ...LOOK, height, newestIndex: 6n }),
        decodeComplaint: async () => null,
        channels: async () => {
          asked++
          return channel && [whole(channel)]
        },
        track: async () => ({ kind: 'payment', payment: PAYMENT }),
        pay: async () => ({ kind: 'no answer', reason: 'lnd is gone' }),
      },
    },
  })
  await world.signer.lightning(invoicesRequest(MANIFEST, [{ payee: 0, n: 1 }]))
  await world.signer.lightning(payRequest(MANIFEST, [{ paymentHash: HASH }]))
  // The call is over by the next turn.
  await new Promise(resolve => setImmediate(resolve))
})
afterEach(() => world.remove())

async function endAt(minutes: number): Promise<string> {
  world.clock.set(START + minutes * MINUTES)
  const reply = await world.signer.lightning(
    endRequest(MANIFEST, [{ payee: 0, n: 1, isLast: false }]),
  )
  if (reply.kind !== 'ended') return reply.kind
  return reply.lines.map(line => ('reason' in line ? line.reason : line.kind)).join()
}

function startLnd(minutes: number): void {
  startedAt = START + minutes * MINUTES
}

test('what no channel carries is ended once lnd was started anew, and is there for minutes', async () => {
  expect(await endAt(0)).toBe(TO_BE_STARTED)
  expect(await endAt(30)).toBe(TO_BE_STARTED)
  startLnd(31)
  channel = { isActive: false }
  expect(await endAt(32)).toBe(ON_ITS_WAY)
  channel = {}
  expect(await endAt(33)).toBe('lnd was started a moment ago')
  expect(await endAt(34)).toBe('ended')
})

test('whatever shows it on its way in between begins it anew', async () => {
  const between = [
    () => {
      channel = { carries: [HASH] }
    },
    () => {
      height = 905
    },
    () => world.restart(),
  ]
  for (const [at, happens] of between.entries()) {
    const start = 100 * at
    expect(await endAt(start)).toBe(TO_BE_STARTED)
    startLnd(start + 1)
    await happens()
    if (at < 2) expect(await endAt(start + 5)).toBe(ON_ITS_WAY)
    channel = {}
    height = 906
    expect(await endAt(start + 6)).toBe(TO_BE_STARTED)
    expect(await endAt(start + 90)).toBe(TO_BE_STARTED)
  }
})

test('a macaroon that shows no channels leaves it on its way', async () => {
  channel = null
  expect(await endAt(0)).toBe(ON_ITS_WAY)
  startLnd(1)
  expect(await endAt(9)).toBe(ON_ITS_WAY)
})

test('the channels are not asked of what has time left', async () => {
  height = 905
  expect(await endAt(0)).toBe(ON_ITS_WAY)
  expect(asked).toBe(0)
})
