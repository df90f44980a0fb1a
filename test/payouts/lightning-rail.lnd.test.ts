import { afterAll, beforeAll, expect, test } from 'vitest'
import { listPayouts } from '../../src/payouts/index.ts'
import { describeOnLnd, LND_WAIT_MS } from '../support/lnd.ts'
import { type HeldInvoice, heldInvoiceOf, invoiceOf } from '../support/payee.ts'
import { type HostedLightning, hostedLightning } from './hosted-lightning.ts'
import { HOUR_MS, SCHEME } from './lightning-world.ts'

const ANN = 'ann@pay.example.org'
const BEN = 'ben@pay.example.org'
/** What Bob, who is between, takes: 1 sat and a millionth. */
const FEE_MSAT = 1000n
/** The same payee has an account of its own on each. */
const LATER = { ...SCHEME, name: 'later' }
const LAST = { ...SCHEME, name: 'last' }
const TEST_MS_MAX = 240_000

describeOnLnd('payouts over real nodes, by a real signer host', () => {
  let hosted: HostedLightning
  /** The next invoice that Ben's server gives, where one is to be held. */
  let held: HeldInvoice | null = null
  let bensServerIsUp = true

  beforeAll(async () => {
    hosted = await hostedLightning(
      [SCHEME, LATER, LAST],
      ({ carol }) =>
        ({ url = '' }, response) => {
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
          const own = name === 'ben' && held ? held.invoice : invoiceOf(carol, amount)
          Promise.resolve(own).then(({ text }) => response.end(JSON.stringify({ pr: text })))
        },
    )
  }, LND_WAIT_MS)
  afterAll(() => hosted?.remove())

  const planned = async () => {
    await hosted.world.plan()
    await hosted.world.approve()
  }

  test('each payee is paid once, and has the proof', { timeout: TEST_MS_MAX }, async () => {
    const { world, becomes, outbound } = hosted
    const before = await outbound()
    const ann = await world.owe(ANN, 3000n)
    await world.owe(BEN, 2000n)
    await planned()
    await becomes('settled')
    expect(before - (await outbound())).toBe(5_000_000n + 2n * FEE_MSAT + 5n)
    const [paid] = await listPayouts(world.db, { accounts: [ann], before: null, limit: 1 })
    expect(paid).toMatchObject({ state: 'settled', amount: 3000n, failure: null })
    expect(paid?.payment?.preimage).toMatch(/^[0-9a-f]{64}$/)
    expect(await world.complaints()).toEqual([])
  })

  test('what is held is waited for while the others are paid, whoever is killed meanwhile', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const { lightning, host, world, becomes } = hosted
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
    const { world, becomes } = hosted
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
