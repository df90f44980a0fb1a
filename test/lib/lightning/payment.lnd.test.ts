import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { ask } from '../../../src/devnet/connected-lnd.ts'
import { fromHex } from '../../../src/lib/bytes.ts'
import { paymentHash, preimage } from '../../../src/lib/ids.ts'
import type { Bolt11 } from '../../../src/lib/lightning/bolt11.ts'
import {
  type AttemptEvidence,
  type AttemptVerdict,
  judgeAttempt,
} from '../../../src/lib/lightning/evidence.ts'
import {
  HELD_BLOCKS_MAX,
  heldBlocks,
  invoiceComplaint,
} from '../../../src/lib/lightning/invoice.ts'
import { NOT_TOLD } from '../../../src/lib/lightning/way.ts'
import { millisats } from '../../../src/lib/money.ts'
import { lndClient, type PaymentNews } from '../../../src/lib/nodes/lnd-client.ts'
import { connectLnd, type LndConnection } from '../../../src/lib/nodes/lnd-grpc-client.ts'
import { pollUntil } from '../../../src/lib/poll.ts'
import { systemClock } from '../../../src/lib/time.ts'
import { restingOutbound, type TestLightning, testLightning } from '../../support/lightning.ts'
import { describeOnLnd, LND_WAIT_MS } from '../../support/lnd.ts'
import { heldInvoiceOf, invoiceOf } from '../../support/payee.ts'

const AMOUNT = millisats(1_000_000n)
/** What Bob takes: 1 sat and a millionth. */
const FEE = millisats(1001n)
const BOUNDS = { feeMax: millisats(5000n), partsMax: 8, timelockBlocksMax: 500, trySeconds: 10 }
const MAY_NOT = ['sendCoins', 'openChannelSync', 'addInvoice', 'newAddress', 'bakeMacaroon']
const WAIT = { everyMs: 100, timeoutMs: 60_000 }

const ownChannels = z.object({ channels: z.array(z.object({ chan_id: z.string() })) })

/** Starting anew, lnd and its peers may take their time on a busy machine. */
const RESTART_MS_MAX = 240_000

describeOnLnd('a payment over real nodes', () => {
  let lightning: TestLightning

  beforeAll(async () => {
    lightning = await testLightning()
  }, LND_WAIT_MS)

  afterAll(() => lightning?.remove())

  const alice = () => lndClient(lightning.alice.connection)

  /** What is made of news by somebody who called once and whose call is over. */
  const judge = (invoice: Bolt11, news: PaymentNews, change: Partial<AttemptEvidence> = {}) =>
    judgeAttempt({
      ...{ paymentHash: invoice.paymentHash, amount: AMOUNT, wasCalled: true, mayBeCalled: false },
      ...{
        news,
        shown: null,
        way: NOT_TOLD,
        goneMs: 0,
        node: { isOurs: true, hasForgotten: false },
      },
      ...change,
    })

  const found = async (invoice: Bolt11) => judge(invoice, await alice().track(invoice.paymentHash))

  /** Asks until the verdict is of that kind, as a rail does. */
  const becomes = async (invoice: Bolt11, kind: AttemptVerdict['kind']) => {
    const isThere = async () => {
      const verdict = await found(invoice)
      return verdict.kind === kind ? verdict : null
    }
    return pollUntil(isThere, WAIT)
  }

  test('is settled with preimage and fee, and says so ever after', async () => {
    const invoice = await invoiceOf(lightning.carol, AMOUNT)
    const news = await alice().pay({ ...BOUNDS, invoice })
    expect(judge(invoice, news)).toMatchObject({ kind: 'settled', fee: FEE })
    expect(await found(invoice)).toEqual(judge(invoice, news))
    expect(await alice().newestPaymentIndex()).toBeGreaterThan(0n)
  })

  const ODD: readonly (readonly [string, () => Promise<object>, Partial<Bolt11>])[] = [
    [
      'the hash of a description',
      async () => ({ memo: '', description_hash: fromHex('ab'.repeat(32)) }),
      { description: null, descriptionHash: 'ab'.repeat(32) },
    ],
    [
      'the most blocks for itself',
      async () => ({ cltv_expiry: '144' }),
      { minFinalCltvBlocks: 144 },
    ],
    [
      'the fewest blocks for itself',
      async () => ({ cltv_expiry: '18' }),
      { minFinalCltvBlocks: 18 },
    ],
    ['no words at all', async () => ({ memo: '' }), { description: '' }],
    ['an expiry of its own', async () => ({ expiry: '300' }), {}],
    ['a way to it', async () => ({ route_hints: [await wayToCarol()] }), { routeHints: [[80]] }],
  ]
  for (const [what, more, read] of ODD)
    test(`is made for an invoice with ${what}`, async () => {
      const invoice = await invoiceOf(lightning.carol, AMOUNT, await more())
      expect(invoice).toMatchObject(read)
      const asked = { network: 'regtest', amount: AMOUNT, cltvBlocksMax: HELD_BLOCKS_MAX } as const
      expect(invoiceComplaint(invoice, asked, systemClock.now())).toBeNull()
      const timelockBlocksMax = heldBlocks(invoice) + 432
      const news = await alice().pay({ ...BOUNDS, invoice, timelockBlocksMax })
      expect(judge(invoice, news)).toMatchObject({ kind: 'settled', fee: FEE })
    })

  /** Of the one channel that Carol has, as a wallet says it whose channel nobody else hears of. */
  async function wayToCarol(): Promise<object> {
    const { channels } = await ask(lightning.carol, ownChannels, 'listChannels')
    const hop = { fee_base_msat: 1000, fee_proportional_millionths: 1, cltv_expiry_delta: 80 }
    const { chan_id = '' } = channels[0] ?? {}
    return { hop_hints: [{ ...hop, node_id: lightning.bob.publicKey, chan_id }] }
  }

  test('without an amount of its own is refused before lnd hears of it', async () => {
    const invoice = await invoiceOf(lightning.carol, 0n)
    const asked = { network: 'regtest', amount: AMOUNT, cltvBlocksMax: HELD_BLOCKS_MAX } as const
    expect(invoiceComplaint(invoice, asked, systemClock.now())).toContain('no amount')
  })

  test('is made once, however often it is asked for', async () => {
    const invoice = await invoiceOf(lightning.carol, AMOUNT)
    const before = await restingOutbound(lightning.alice)
    const first = await alice().pay({ ...BOUNDS, invoice })
    const again = await alice().pay({ ...BOUNDS, invoice })
    expect(again).toEqual({ kind: 'known already' })
    expect(judge(invoice, again).kind).toBe('unknown')
    expect(await found(invoice)).toEqual(judge(invoice, first))
    expect(before - (await restingOutbound(lightning.alice))).toBe(AMOUNT + FEE)
  })

  test('is made once where two ask at the same time', async () => {
    const invoice = await invoiceOf(lightning.carol, AMOUNT)
    const both = await Promise.all([1, 2].map(() => alice().pay({ ...BOUNDS, invoice })))
    const kinds = both.map(news => judge(invoice, news).kind).toSorted()
    expect(kinds).toEqual(['settled', 'unknown'])
  })

  test('is dead where no way is as cheap as allowed, and 0 is no allowance for any', async () => {
    const invoice = await invoiceOf(lightning.carol, AMOUNT)
    for (const feeMax of [0n, FEE - 1n].map(millisats)) {
      const news = await alice().pay({ ...BOUNDS, invoice, feeMax })
      expect(judge(invoice, news).kind).toBe('dead')
    }
    expect((await found(invoice)).kind).toBe('dead')
    // The same invoice may be tried again, with a higher limit; whoever may do so kills that proof.
    const may = { mayBeCalled: true }
    const failed = await alice().track(invoice.paymentHash)
    expect(judge(invoice, failed, may).kind).toBe('unknown')
    const news = await alice().pay({ ...BOUNDS, invoice, feeMax: FEE })
    expect(judge(invoice, news)).toMatchObject({ kind: 'settled', fee: FEE })
  })

  test('is dead where there is no way, or none that is short enough', async () => {
    const much = await invoiceOf(lightning.carol, 50_000_000_000n)
    const news = await alice().pay({ ...BOUNDS, invoice: much })
    expect(judge(much, news).kind).toBe('dead')
    const invoice = await invoiceOf(lightning.carol, AMOUNT)
    const short = await alice().pay({ ...BOUNDS, invoice, timelockBlocksMax: 90 })
    expect(judge(invoice, short).kind).toBe('dead')
  })

  test('is unknown while the payee holds it, and dead once it sends it back', async () => {
    const held = await heldInvoiceOf(lightning.carol, AMOUNT)
    const news = await alice().pay({ ...BOUNDS, invoice: held.invoice, trySeconds: 1 })
    await held.isHeld()
    expect(judge(held.invoice, news).kind).toBe('unknown')
    const waiting = await found(held.invoice)
    expect(waiting).toMatchObject({ kind: 'waiting', untilHeight: expect.any(Number) })
    expect((await alice().liquidity()).leaving).toBe(AMOUNT + FEE)
    await held.cancel()
    expect(await becomes(held.invoice, 'dead')).not.toBeNull()
  })

  test('is settled once the payee that held it takes it', async () => {
    const held = await heldInvoiceOf(lightning.carol, AMOUNT)
    await alice().pay({ ...BOUNDS, invoice: held.invoice, trySeconds: 1 })
    await held.isHeld()
    // A preimage from the payee is final, though our own node knows it a moment later.
    const shown = preimage(held.preimage)
    const news = await alice().track(held.invoice.paymentHash)
    expect(judge(held.invoice, news, { shown })).toMatchObject({ kind: 'settled', fee: null })
    await held.settle()
    expect(await becomes(held.invoice, 'settled')).toMatchObject({ preimage: shown, fee: FEE })
  })

  for (const [end, verdict] of [
    ['settle', 'settled'],
    ['cancel', 'dead'],
  ] as const)
    test(
      `is ${verdict} after lnd was killed in the middle and the payee did ${end}`,
      async () => {
        const held = await heldInvoiceOf(lightning.carol, AMOUNT)
        const paying = alice().pay({ ...BOUNDS, invoice: held.invoice })
        await held.isHeld()
        await lightning.alice.kill()
        const news = await paying
        expect(news.kind).toBe('no answer')
        expect(judge(held.invoice, news).kind).toBe('unknown')
        // Away, it proves nothing.
        expect((await found(held.invoice)).kind).toBe('unknown')
        await held[end]()
        await lightning.alice.restart()
        expect(await becomes(held.invoice, verdict)).not.toBeNull()
        expect(
          await alice().pay({ ...BOUNDS, invoice: await invoiceOf(lightning.carol, AMOUNT) }),
        ).toMatchObject({ kind: 'payment', payment: { status: 'succeeded' } })
      },
      RESTART_MS_MAX,
    )

  test('that was never made is not found, which is no proof by itself', async () => {
    const news = await alice().track(paymentHash('12'.repeat(32)))
    expect(news).toEqual({ kind: 'not found' })
    const invoice = await invoiceOf(lightning.carol, AMOUNT)
    expect((await found(invoice)).kind).toBe('unknown')
    expect(judge(invoice, news, { wasCalled: false }).kind).toBe('dead')
  })

  test('is read by lnd as by us, and its node says what it is', async () => {
    const { paymentHash: hash, payee, ...invoice } = await invoiceOf(lightning.carol, AMOUNT)
    const { text: _text, ...rest } = invoice
    expect(payee).toBe(lightning.carol.publicKey)
    const decoded = await alice().decode({ ...invoice, paymentHash: hash, payee })
    expect(decoded).toEqual({ paymentHash: hash, payee, amount: rest.amount })
    expect(await alice().info()).toMatchObject({
      ...{ publicKey: lightning.alice.publicKey, network: 'regtest', isSynced: true },
      ...{ activeChannels: 1, version: expect.stringMatching(/^0\.20\.1-beta/) },
    })
  })

  test('is made by the macaroon that may pay, and seen by the one that may look', async () => {
    const { reading, paying } = await macaroonsOfTheDocs(lightning)
    try {
      const invoice = await invoiceOf(lightning.carol, AMOUNT)
      const refused = await lndClient(reading).pay({ ...BOUNDS, invoice })
      expect(refused).toMatchObject({ kind: 'no answer', reason: expect.stringMatching(/denied/) })
      expect(await lndClient(reading).track(invoice.paymentHash)).toEqual({ kind: 'not found' })
      expect((await lndClient(paying).decode(invoice)).amount).toBe(AMOUNT)
      const paid = await lndClient(paying).pay({ ...BOUNDS, invoice })
      expect(judge(invoice, paid).kind).toBe('settled')
      for (const connection of [reading, paying]) {
        const client = lndClient(connection)
        expect(judge(invoice, await client.track(invoice.paymentHash)).kind).toBe('settled')
        expect((await client.info()).publicKey).toBe(lightning.alice.publicKey)
        for (const method of MAY_NOT)
          await expect(ask({ connection }, z.unknown(), method)).rejects.toThrow(/denied/)
      }
      await lndClient(reading).liquidity()
      await lndClient(reading).newestPaymentIndex()
    } finally {
      reading.close()
      paying.close()
    }
  })
})

/** What the page tells an operator to type is what is tried here. */
async function macaroonsOfTheDocs({ alice }: TestLightning) {
  const page = await readFile(new URL('../../../docs/lightning.md', import.meta.url), 'utf8')
  const bake = async (name: string): Promise<LndConnection> => {
    const [, uris = ''] =
      new RegExp(`lncli bakemacaroon --save_to ${name}\\.macaroon((?: \\\\\\n +uri:\\S+)+)`).exec(
        page,
      ) ?? []
    const actions = [...uris.matchAll(/uri:(\S+)/g)].map(match => match[1])
    expect(actions.length).toBeGreaterThan(2)
    const permissions = actions.map(action => ({ entity: 'uri', action }))
    const { macaroon } = await ask(alice, z.object({ macaroon: z.string() }), 'bakeMacaroon', {
      permissions,
    })
    return connectLnd({ ...alice.access, macaroon: fromHex(macaroon) })
  }
  return { reading: await bake('sidepool-read'), paying: await bake('sidepool-pay') }
}
