import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { ask } from '../../../src/devnet/connected-lnd.ts'
import { parseBolt11 } from '../../../src/lib/lightning/bolt11.ts'
import { LndError } from '../../../src/lib/nodes/lnd-grpc-client.ts'
import {
  bytes,
  type Field,
  INVOICE_PAYEE,
  numberWords,
  writeInvoice,
} from '../../support/invoice.ts'
import { type TestLightning, testLightning } from '../../support/lightning.ts'
import { describeOnLnd, LND_WAIT_MS } from '../../support/lnd.ts'

const hop = z.object({ cltv_expiry_delta: z.int() })
const decoded = z
  .object({
    ...{ payment_hash: z.string(), destination: z.string(), num_msat: z.string() },
    ...{ timestamp: z.string(), expiry: z.string(), cltv_expiry: z.string() },
    ...{ description: z.string(), description_hash: z.string() },
    route_hints: z.array(z.object({ hop_hints: z.array(hop) })),
  })
  .transform(said => ({
    ...{ paymentHash: said.payment_hash, payee: said.destination, amount: BigInt(said.num_msat) },
    createdAt: 1000 * Number(said.timestamp),
    expiresAt: 1000 * (Number(said.timestamp) + Number(said.expiry)),
    minFinalCltvBlocks: Number(said.cltv_expiry),
    description: said.description || null,
    descriptionHash: said.description_hash || null,
    routeHints: said.route_hints.map(way => way.hop_hints.map(each => each.cltv_expiry_delta)),
  }))

/** Fields as somebody would write them who wants two readers to read two invoices. */
const field = fc.oneof(
  fc.constantFrom('aa', 'bb').map(hex => ['p', bytes(hex.repeat(32))] as const),
  fc.constantFrom('aa', 'bb').map(hex => ['s', bytes(hex.repeat(32))] as const),
  fc.constantFrom('aa', 'bb').map(hex => ['h', bytes(hex.repeat(32))] as const),
  fc.constantFrom(51, 53).map(count => ['p', Array(count).fill(0)] as const),
  fc.constantFrom('d', 'r', '9', 'n', '2', 'z').map(tag => [tag, []] as const),
  fc.nat(10_000).map(value => ['x', numberWords(value)] as const),
  fc.nat(10_000).map(value => ['c', numberWords(value)] as const),
  fc.constant(['n', bytes(INVOICE_PAYEE)] as const),
  fc.tuple(fc.constantFrom(...'psdhxcr9nf'), fc.array(fc.nat(31), { maxLength: 60 })),
)
const fields = fc.array(field, { maxLength: 3 })
const RUNS = 300

describeOnLnd('the invoice that we read', () => {
  let lightning: TestLightning

  beforeAll(async () => {
    lightning = await testLightning()
  }, LND_WAIT_MS)

  afterAll(() => lightning?.remove())

  /** Null where lnd refuses it. */
  const asLndReads = (text: string) =>
    ask(lightning.alice, decoded, 'decodePayReq', { pay_req: text }).catch(error => {
      if (error instanceof LndError) return null
      throw error
    })

  test('is the one that lnd pays, whatever is written into it', async () => {
    let read = 0
    const check = async (first: readonly Field[], last: readonly Field[]) => {
      const text = writeInvoice({ first, last })
      const ours = parseBolt11(text)
      if (ours.kind === 'refused') return
      const theirs = await asLndReads(text)
      // What lnd refuses is paid by nobody; what it reads must be what we have read.
      if (theirs === null) return
      read++
      const { text: _text, network: _network, description, ...rest } = ours.invoice
      expect({ ...rest, description: description || null }).toEqual(theirs)
    }
    await fc.assert(fc.asyncProperty(fields, fields, check), { numRuns: RUNS })
    expect(read).toBeGreaterThan(RUNS / 10)
  })
})
