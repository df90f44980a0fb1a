import { afterAll, beforeAll, expect, test } from 'vitest'
import { lndClient } from '../../src/lib/nodes/lnd-client.ts'
import { connectLnd, type LndConnection } from '../../src/lib/nodes/lnd-grpc-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { listPayouts } from '../../src/payouts/index.ts'
import { lightningHostSigner } from '../../src/payouts/rails/lightning/host-signer-client.ts'
import type { SignerHost } from '../signer/host.ts'
import { macaroonOfPage, payingHost } from '../signer/paying-host.ts'
import { testDatabase } from '../support/database.ts'
import { restingOutbound, type TestLightning, testLightning } from '../support/lightning.ts'
import { describeOnLnd, LND_WAIT_MS } from '../support/lnd.ts'
import { type HeldInvoice, heldInvoiceOf, invoiceOf } from '../support/payee.ts'
import { type StrangersServer, strangersServer } from '../support/strangers-server.ts'
import { HOUR_MS, type LightningWorld, lightningWorld, SCHEME } from './lightning-world.ts'

const ANN = 'ann@pay.example.org'
const BEN = 'ben@pay.example.org'
/** What Bob, who is between, takes: 1 sat and a millionth. */
const FEE_MSAT = 1000n
/** The same payee has an account of its own on each. */
const LATER = { ...SCHEME, name: 'later' }
const LAST = { ...SCHEME, name: 'last' }
const WAIT = { everyMs: 200, timeoutMs: 90_000 }
const TEST_MS_MAX = 240_000

describeOnLnd('payouts over real nodes, by a real signer host', () => {
  let lightning: TestLightning
  let server: StrangersServer
  let host: SignerHost
  let connection: LndConnection
  let world: LightningWorld
  /** The next invoice that Ben's server gives, where one is to be held. */
  let held: HeldInvoice | null = null
  let bensServerIsUp = true

  beforeAll(async () => {
    lightning = await testLightning()
    server = await strangersServer()
    server.answerBy(({ url = '' }, response) => {
      const { pathname, searchParams } = new URL(url, 'https://pay.example.org')
      const name = pathname.split('/').at(-1) ?? ''
      if (name.startsWith('ben') && !bensServerIsUp) {
        response.statusCode = 503
        response.end()
        return
      }
      if (pathname.startsWith('/.well-known/')) {
        response.end(JSON.stringify(payRequest(name)))
        return
      }
      const amount = BigInt(searchParams.get('amount') ?? '0')
      const own = name === 'ben' && held ? held.invoice : invoiceOf(lightning.carol, amount)
      Promise.resolve(own).then(({ text }) => response.end(JSON.stringify({ pr: text })))
    })
    host = await payingHost(lightning.alice, server)
    await host.start()
    const { access } = lightning.alice
    const macaroon = await macaroonOfPage(lightning.alice, 'read')
    connection = connectLnd({ ...access, macaroon })
    world = await lightningWorld(await testDatabase(), [SCHEME, LATER, LAST], {
      client: lndClient(connection),
      signerOf: parts => lightningHostSigner({ ...parts, client: host.client }),
    })
  }, LND_WAIT_MS)

  afterAll(async () => {
    await world?.drop()
    connection?.close()
    await host?.remove()
    await server?.stop()
    await lightning?.remove()
  })

  const planned = async () => {
    await world.plan()
    await world.approve()
  }
  const becomes = async (state: string) => {
    const isThere = async () => {
      await world.advance()
      const batch = (await world.batches()).at(-1)
      return batch?.state === state || null
    }
    const is = await pollUntil(isThere, WAIT)
    expect(is, JSON.stringify([await world.batches(), host.log().slice(-2000)])).toBe(true)
  }
  const outbound = () => restingOutbound(lightning.alice)

  test('each payee is paid once, and has the proof', { timeout: TEST_MS_MAX }, async () => {
    const { db } = world
    const before = await outbound()
    const ann = await world.owe(ANN, 3000n)
    await world.owe(BEN, 2000n)
    await planned()
    await becomes('settled')
    expect(before - (await outbound())).toBe(5_000_000n + 2n * FEE_MSAT + 5n)
    const [paid] = await listPayouts(db, { accounts: [ann], before: null, limit: 1 })
    expect(paid).toMatchObject({ state: 'settled', amount: 3000n, failure: null })
    expect(paid?.payment?.preimage).toMatch(/^[0-9a-f]{64}$/)
    expect(await world.complaints()).toEqual([])
  })

  test('what is held is waited for while the others are paid, whoever is killed meanwhile', {
    timeout: TEST_MS_MAX,
  }, async () => {
    held = await heldInvoiceOf(lightning.carol, 2_000_000n)
    for (const name of [ANN, BEN]) await world.owe(name, 2000n, LATER)
    await planned()
    await becomes('sent')
    await held.isHeld()
    await host.kill()
    await host.start()
    await lightning.alice.kill()
    await world.advance()
    await lightning.alice.restart()
    await becomes('sent')
    await held.settle()
    held = null
    await becomes('settled')
    expect(new Set((await world.payouts()).map(([, state]) => state))).toEqual(new Set(['settled']))
    expect(await world.complaints()).toEqual([])
  })

  test('who gives no invoice is owed again, once the signer has closed its line', {
    timeout: TEST_MS_MAX,
  }, async () => {
    bensServerIsUp = false
    await world.owe(BEN, 2000n, LAST)
    await planned()
    await becomes('uncertain')
    bensServerIsUp = true
    world.pass(HOUR_MS)
    await becomes('released')
    const [, , last] = (await world.payouts()).filter(([name]) => name === BEN)
    expect(last).toEqual([BEN, 'released', expect.stringContaining('time')])
    expect(await world.complaints()).toEqual([])
  })
})

const payRequest = (name: string) => ({
  ...{ tag: 'payRequest', callback: `https://api.example.com/cb/${name}` },
  ...{ minSendable: 1000, maxSendable: 100_000_000 },
  metadata: `[["text/plain","for ${name}"],["text/identifier","${name}@pay.example.org"]]`,
})
