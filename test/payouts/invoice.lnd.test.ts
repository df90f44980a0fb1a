import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Bolt11 } from '../../src/lib/lightning/bolt11.ts'
import { listPayouts } from '../../src/payouts/index.ts'
import { takeInvoice } from '../../src/payouts/invoice-store.ts'
import { describeOnLnd, LND_WAIT_MS } from '../support/lnd.ts'
import { heldInvoiceOf, invoiceOf } from '../support/payee.ts'
import { holderOf } from '../support/signed-message.ts'
import { type HostedLightning, hostedLightning } from './hosted-lightning.ts'
import { SCHEME } from './lightning-world.ts'

const SECOND = { ...SCHEME, name: 'second' }
const THIRD = { ...SCHEME, name: 'third' }
const SCHEMES = [SCHEME, SECOND, THIRD]
/** What Bob, who is between, takes: 1 sat and a millionth. */
const FEE_MSAT = 1000n
const TEST_MS_MAX = 240_000
const holder = holderOf(1)

describeOnLnd('uploaded invoices over real nodes, by a real signer host', () => {
  let hosted: HostedLightning
  let asked = 0

  beforeAll(async () => {
    hosted = await hostedLightning(SCHEMES, () => (_request, response) => {
      asked++
      response.end()
    })
  }, LND_WAIT_MS)
  afterAll(() => hosted?.remove())

  async function upload({ text }: Bolt11, scheme = SCHEME.name): Promise<void> {
    const { world } = hosted
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
  test('one is paid once and exactly, and no server is asked for anything', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const { lightning, world, becomes, outbound } = hosted
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
    const { lightning, host, world, becomes, outbound } = hosted
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
    const { lightning, world, becomes, outbound } = hosted
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
