import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Bolt11 } from '../../src/lib/lightning/bolt11.ts'
import { lndClient } from '../../src/lib/nodes/lnd-client.ts'
import { connectLnd, type LndConnection } from '../../src/lib/nodes/lnd-grpc-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { listPayouts } from '../../src/payouts/index.ts'
import { takeInvoice } from '../../src/payouts/invoice-store.ts'
import { lightningHostSigner } from '../../src/payouts/rails/lightning/host-signer-client.ts'
import type { SignerHost } from '../signer/host.ts'
import { macaroonOfPage, payingHost } from '../signer/paying-host.ts'
import { testDatabase } from '../support/database.ts'
import { restingOutbound, type TestLightning, testLightning } from '../support/lightning.ts'
import { describeOnLnd, LND_WAIT_MS } from '../support/lnd.ts'
import { heldInvoiceOf, invoiceOf } from '../support/payee.ts'
import { holderOf } from '../support/signed-message.ts'
import { type StrangersServer, strangersServer } from '../support/strangers-server.ts'
import { type LightningWorld, lightningWorld, SCHEME } from './lightning-world.ts'

const SECOND = { ...SCHEME, name: 'second' }
const THIRD = { ...SCHEME, name: 'third' }
const SCHEMES = [SCHEME, SECOND, THIRD]
/** What Bob, who is between, takes: 1 sat and a millionth. */
const FEE_MSAT = 1000n
const WAIT = { everyMs: 200, timeoutMs: 90_000 }
const TEST_MS_MAX = 240_000
const holder = holderOf(1)

describeOnLnd('uploaded invoices over real nodes, by a real signer host', () => {
  let lightning: TestLightning
  let server: StrangersServer
  let host: SignerHost
  let connection: LndConnection
  let world: LightningWorld
  let asked = 0

  beforeAll(async () => {
    lightning = await testLightning()
    server = await strangersServer()
    server.answerBy((_request, response) => {
      asked++
      response.end()
    })
    host = await payingHost(lightning.alice, server)
    await host.start()
    const macaroon = await macaroonOfPage(lightning.alice, 'read')
    connection = connectLnd({ ...lightning.alice.access, macaroon })
    world = await lightningWorld(await testDatabase(), SCHEMES, {
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

  async function upload({ text }: Bolt11, scheme = SCHEME.name): Promise<void> {
    const rules = { ...({ pool: 'a pool', network: 'regtest' } as const), schemes: SCHEMES }
    const given = { payee: holder.address, scheme, invoice: text }
    const take = (signature: string | null) =>
      takeInvoice(
        world.db,
        { ...rules, coolOffMs: 0 },
        { ...given, proof: signature === null ? null : { kind: 'signature', signature } },
        world.now(),
      )
    const first = await take(null)
    if (first.kind !== 'unsigned') throw new Error(first.kind)
    expect(await take(holder.sign(first.text))).toMatchObject({ kind: 'taken' })
    await world.plan()
    await world.approve()
  }
  const becomes = async (state: string) => {
    const isThere = async () => {
      await world.advance()
      return (await world.batches()).at(-1)?.state === state || null
    }
    const is = await pollUntil(isThere, WAIT)
    expect(is, JSON.stringify([await world.batches(), host.log().slice(-2000)])).toBe(true)
  }
  const outbound = () => restingOutbound(lightning.alice)

  test('one is paid once and exactly, and no server is asked for anything', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const before = await outbound()
    const account = await world.owe(holder.address, 5000n)
    const invoice = await invoiceOf(lightning.carol, 3_000_000n)
    await upload(invoice)
    await becomes('settled')
    expect(before - (await outbound())).toBe(3_000_000n + FEE_MSAT + 3n)
    const [paid] = await listPayouts(world.db, { accounts: [account], before: null, limit: 1 })
    expect(paid).toMatchObject({ amount: 3000n, destination: invoice.text, failure: null })
    expect(paid?.payment?.hash).toBe(invoice.paymentHash)
    expect(asked).toBe(0)
    expect(await world.complaints()).toEqual([])
  })

  test('one that is held while signer and lnd are killed is paid once', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const before = await outbound()
    await world.owe(holder.address, 5000n, SECOND)
    const held = await heldInvoiceOf(lightning.carol, 2_000_000n)
    await upload(held.invoice, SECOND.name)
    await becomes('sent')
    await held.isHeld()
    await host.kill()
    await host.start()
    await lightning.alice.kill()
    await world.advance()
    await lightning.alice.restart()
    await becomes('sent')
    await held.settle()
    await becomes('settled')
    expect(before - (await outbound())).toBe(2_000_000n + FEE_MSAT + 2n)
    expect(await world.complaints()).toEqual([])
  })

  test('one that its node takes no more is tried, and owed again, and nothing follows it', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const before = await outbound()
    await world.owe(holder.address, 5000n, THIRD)
    const held = await heldInvoiceOf(lightning.carol, 2_000_000n)
    await held.cancel()
    await upload(held.invoice, THIRD.name)
    await becomes('released')
    expect(await outbound()).toBe(before)
    expect(await world.payouts()).toContainEqual([
      held.invoice.text,
      'released',
      'lnd found no way to pay it',
    ])
    await world.plan()
    expect(await world.batches()).toHaveLength(3)
    expect(await world.complaints()).toEqual([])
  })
})
