import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LightningReply, LightningRequest, LineManifest } from '../../src/approval/index.ts'
import { batchId, type PaymentHash, payoutId, unixMs } from '../../src/lib/ids.ts'
import { parseBolt11 } from '../../src/lib/lightning/bolt11.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { lndClient } from '../../src/lib/nodes/lnd-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemClock } from '../../src/lib/time.ts'
import { openMemory } from '../../src/signer/memory-store.ts'
import { restingOutbound, type TestLightning, testLightning } from '../support/lightning.ts'
import { describeOnLnd, LND_WAIT_MS } from '../support/lnd.ts'
import { type HeldInvoice, heldInvoiceOf, invoiceOf } from '../support/payee.ts'
import { type StrangersServer, strangersServer } from '../support/strangers-server.ts'
import type { SignerHost } from './host.ts'
import { endRequest, hashOf, invoicesRequest, lineManifest, payRequest } from './lightning-world.ts'
import { payingHost } from './paying-host.ts'
import { HOUR_MS } from './world.ts'

const AMOUNT_MSAT = 1_000_000n
/** What Bob takes: 1 sat and a millionth. */
const FEE_MSAT = 1001n
const WAIT = { everyMs: 100, timeoutMs: 60_000 }
const TEST_MS_MAX = 240_000

describeOnLnd('a signer host that pays over real nodes', () => {
  let lightning: TestLightning
  let server: StrangersServer
  let host: SignerHost
  let batches = 0n
  /** The next invoice that the payee's server gives; one of Carol's for the amount where null. */
  let held: HeldInvoice | null = null

  beforeAll(async () => {
    lightning = await testLightning()
    server = await strangersServer()
    server.answerBy(({ url }, response) => {
      if (url?.startsWith('/.well-known/')) {
        response.end(JSON.stringify(PAY_REQUEST))
        return
      }
      const invoice = held?.invoice ?? invoiceOf(lightning.carol, AMOUNT_MSAT)
      held = null
      Promise.resolve(invoice).then(({ text }) => response.end(JSON.stringify({ pr: text })))
    })
    host = await payingHost(lightning.alice, server)
    await host.start()
  }, LND_WAIT_MS)

  afterAll(async () => {
    await host?.remove()
    await server?.stop()
    await lightning?.remove()
  })

  const newManifest = (): LineManifest => {
    const now = systemClock.now()
    batches++
    return lineManifest({
      ...{ batch: batchId(batches), createdAt: now, expiresAt: unixMs(now + 6 * HOUR_MS) },
      payees: [
        {
          ...{ destination: 'ann@pay.example.org', amount: sats(1000n), feeMax: sats(10n) },
          payouts: [payoutId(batches)],
        },
      ],
      feeMax: sats(10n),
    })
  }

  async function asked(request: LightningRequest): Promise<LightningReply> {
    const answer = await host.client.lightning(request)
    if (answer.kind === 'no answer') throw new Error(answer.reason)
    return answer.value
  }

  async function invoice(manifest: LineManifest, n = 1): Promise<PaymentHash> {
    const reply = await asked(invoicesRequest(manifest, [{ payee: 0, n }]))
    const [line] = reply.kind === 'invoices' ? reply.lines : []
    if (line?.kind !== 'invoice') throw new Error(JSON.stringify(reply))
    const parsed = parseBolt11(line.invoice)
    if (parsed.kind === 'refused') throw new Error(parsed.reason)
    return parsed.invoice.paymentHash
  }

  /** What is said of the one line. */
  async function pay(
    manifest: LineManifest,
    paymentHash: PaymentHash,
    over: { n?: number; call?: number; fee?: bigint } = {},
  ): Promise<string> {
    const { n = 1, call = 1, fee = 5000n } = over
    const line = { payee: 0, n, call, paymentHash, feeMaxMsat: millisats(fee) }
    return said(await asked(payRequest(manifest, [line])))
  }
  const end = async (manifest: LineManifest, n = 1) =>
    said(await asked(endRequest(manifest, [{ payee: 0, n, isLast: false }])))

  /** Asks until a look-up says that the payment stands so. */
  async function becomes(hash: PaymentHash, status: string): Promise<void> {
    const isThere = async () => {
      const news = await lndClient(lightning.alice.connection).track(hash)
      return (news.kind === 'payment' && news.payment.status === status) || null
    }
    if (!(await pollUntil(isThere, WAIT))) throw new Error(`it is not ${status}`)
  }
  /** Asks until an attempt has ended; a call is open for a moment longer than its payment. */
  async function ends(manifest: LineManifest, n: number): Promise<void> {
    const isOver = async () => (await end(manifest, n)) === 'ended' || null
    if (!(await pollUntil(isOver, WAIT))) throw new Error(`${await end(manifest, n)}`)
  }
  const outbound = () => restingOutbound(lightning.alice)
  const memory = () => readFileSync(host.files.memory, 'utf8')

  test('asks the address, pays, and says of it what is true', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const manifest = newManifest()
    const before = await outbound()
    const hash = await invoice(manifest)
    expect(server.seen.slice(-2)).toEqual([
      'pay.example.org/.well-known/lnurlp/ann',
      `api.example.com/cb?amount=${AMOUNT_MSAT}&comment=batch%20${batches}`,
    ])
    expect(await invoice(manifest)).toBe(hash)
    expect(await pay(manifest, hash)).toBe('called')
    await becomes(hash, 'succeeded')
    expect(await pay(manifest, hash)).toBe('called')
    expect(await end(manifest)).toMatch(/it was paid|a call of it is open/)
    expect(before - (await outbound())).toBe(AMOUNT_MSAT + FEE_MSAT)
    const hold = await asked(invoicesRequest(manifest, [{ payee: 0, n: 2 }]))
    expect(said(hold)).toBe('attempt 1 has not ended')
    expect(memory()).not.toContain(readFileSync(join(host.files.dir, 'pay.macaroon'), 'hex'))
    expect(host.log()).not.toContain(readFileSync(join(host.files.dir, 'pay.macaroon'), 'hex'))
  })

  test('gives a pool that lies nothing', { timeout: TEST_MS_MAX }, async () => {
    const before = await outbound()
    const manifest = newManifest()
    const unapproved = invoicesRequest(manifest, [{ payee: 0, n: 1 }], [])
    expect(said(await asked(unapproved))).toContain('0 of 1 approvals')
    const edited = lineManifest({ ...manifest, payees: manifest.payees, createdBy: 'plan:x' })
    const { acts } = invoicesRequest(manifest, [{ payee: 0, n: 1 }])
    const swapped = { ...invoicesRequest(edited, [{ payee: 0, n: 1 }]), acts }
    expect(said(await asked(swapped))).toContain('0 of 1 approvals')
    const hash = await invoice(manifest)
    const own = await invoiceOf(lightning.carol, AMOUNT_MSAT)
    expect(await pay(manifest, own.paymentHash)).toBe('its invoice has another hash')
    expect(await pay(edited, hash)).toBe('this host knows no such manifest')
    expect(await pay(manifest, hash, { fee: 10_001n })).toBe('its fee is at most 10 sat')
    expect(await pay(manifest, hash, { call: 2 })).toBe('its next call is 1')
    expect(await pay(manifest, hash, { n: 2 })).toBe('attempt 2 is not the newest of its line')
    expect(await end(manifest)).toBe('ended')
    expect(await pay(manifest, hash)).toBe('attempt 1 has ended')
    const second = await invoice(manifest, 2)
    expect(second).not.toBe(hash)
    expect(await pay(manifest, hash)).toBe('attempt 1 is not the newest of its line')
    expect(await outbound()).toBe(before)
  })

  test('calls again with a higher fee what found no way', { timeout: TEST_MS_MAX }, async () => {
    const manifest = newManifest()
    const hash = await invoice(manifest)
    expect(await pay(manifest, hash, { fee: 0n })).toBe('called')
    await becomes(hash, 'failed')
    const again = async () => {
      const answer = await pay(manifest, hash, { call: 2, fee: FEE_MSAT })
      return answer === 'called' || null
    }
    expect(await pollUntil(again, WAIT)).toBe(true)
    await becomes(hash, 'succeeded')
  })

  test('goes on where it was killed between word and call', { timeout: TEST_MS_MAX }, async () => {
    const manifest = newManifest()
    const hash = await invoice(manifest)
    const before = await outbound()
    await host.kill()
    // What a process leaves that is killed once its word is on the disk.
    const store = await openMemory(host.files.memory, systemClock)
    const feeMaxMsat = millisats(5000n)
    await store.add({
      ...({ kind: 'ln calls', manifest: hashOf(manifest) } as const),
      ...{ node: lightning.alice.publicKey, newestIndex: 1n },
      lines: [{ payee: 0, n: 1, call: 1, feeMaxMsat }],
    })
    await store.close()
    await host.start()
    expect(await pay(manifest, hash)).toBe('called')
    expect(await end(manifest)).toBe('lnd knows nothing of it yet')
    expect(await outbound()).toBe(before)
    expect(await pay(manifest, hash, { call: 2 })).toBe('called')
    await becomes(hash, 'succeeded')
    expect(before - (await outbound())).toBe(AMOUNT_MSAT + FEE_MSAT)
  })

  test('was killed while a payee held the money, and gives another invoice only when it is back', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const manifest = newManifest()
    const before = await outbound()
    const holding = await heldInvoiceOf(lightning.carol, AMOUNT_MSAT)
    held = holding
    const hash = await invoice(manifest)
    expect(hash).toBe(holding.invoice.paymentHash)
    expect(await pay(manifest, hash)).toBe('called')
    await holding.isHeld()
    expect(await pay(manifest, hash, { call: 2 })).toBe('a call of it is open')
    await host.kill()
    await host.start()
    expect(await end(manifest)).toBe('it is on its way')
    expect(said(await asked(invoicesRequest(manifest, [{ payee: 0, n: 2 }])))).toBe(
      'attempt 1 has not ended',
    )
    expect(await pay(manifest, hash, { call: 2 })).toBe('called')
    await holding.cancel()
    await ends(manifest, 1)
    const second = await invoice(manifest, 2)
    expect(await pay(manifest, hash, { call: 3 })).toBe('attempt 1 is not the newest of its line')
    expect(await pay(manifest, second, { n: 2 })).toBe('called')
    await becomes(second, 'succeeded')
    expect(before - (await outbound())).toBe(AMOUNT_MSAT + FEE_MSAT)
  })
})

const PAY_REQUEST = {
  ...{ tag: 'payRequest', callback: 'https://api.example.com/cb', commentAllowed: 20 },
  ...{ minSendable: 1000, maxSendable: 100_000_000 },
  metadata: '[["text/plain","for ann"],["text/identifier","ann@pay.example.org"]]',
}

/** What a reply says of its one line, or of the whole. */
function said(reply: LightningReply): string {
  if (reply.kind === 'refused') return reply.reason
  if (reply.kind === 'closed' || reply.kind === 'opening') return reply.kind
  const [line] = reply.lines
  if (line === undefined) return 'nothing'
  return 'reason' in line ? line.reason : line.kind
}
