import { afterAll, beforeAll, expect, test } from 'vitest'
import { HELD_BLOCKS_MAX, invoiceComplaint } from '../../../src/lib/lightning/invoice.ts'
import { millisats } from '../../../src/lib/money.ts'
import { lndClient } from '../../../src/lib/nodes/lnd-client.ts'
import { systemClock } from '../../../src/lib/time.ts'
import { type TestLightning, testLightning } from '../../support/lightning.ts'
import { describeOnLnd, LND_WAIT_MS } from '../../support/lnd.ts'
import { likeWallet } from '../../support/wallet-invoice.ts'
import wallets from '../../vectors/bolt11-wallets.json' with { type: 'json' }

const AMOUNT = millisats(1_000_000n)
const ASKED = { network: 'regtest', amount: AMOUNT, cltvBlocksMax: HELD_BLOCKS_MAX } as const
const BOUNDS = { feeMax: millisats(5000n), partsMax: 8, timelockBlocksMax: 700, trySeconds: 20 }

/** Before, invoices asked for no payment secret. */
const SECRETS_SINCE_SECONDS = 1_580_000_000
const isOfToday = (wallet: { createdAtSeconds: number }) =>
  wallet.createdAtSeconds > SECRETS_SINCE_SECONDS
const ofToday = wallets.valid.filter(isOfToday)
const old = wallets.valid.filter(wallet => !isOfToday(wallet))

describeOnLnd('invoices as the wallets of others write them', () => {
  let lightning: TestLightning

  beforeAll(async () => {
    lightning = await testLightning()
  }, LND_WAIT_MS)

  afterAll(() => lightning?.remove())

  async function pay(theirs: string) {
    const invoice = await likeWallet(lightning.carol, theirs, AMOUNT)
    expect(invoiceComplaint(invoice, ASKED, systemClock.now())).toBeNull()
    return lndClient(lightning.alice.connection).pay({ ...BOUNDS, invoice })
  }

  test.each(ofToday)('$name: read and paid', async ({ invoice }) => {
    expect(await pay(invoice)).toMatchObject({ payment: { status: 'succeeded' } })
  })

  // A payee of today takes nothing without the secret, and whoever pays sends it only where asked.
  test.each(old)('$name: read, and what fails has no way left', async ({ invoice }) => {
    expect(await pay(invoice)).toMatchObject({ payment: { status: 'failed', unresolvedHtlcs: 0 } })
  })
})
