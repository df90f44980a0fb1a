import { describe, expect, test } from 'vitest'
import type { InvoicesRequest, LineManifest } from '../../src/approval/index.ts'
import { batchId, digest, txid, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { judgeInvoices, type Offer, takeOffers } from '../../src/signer/lightning-rules.ts'
import { type Memory, spentBefore } from '../../src/signer/memory.ts'
import type { MemoryEvent } from '../../src/signer/memory-entry.ts'
import type { Standing } from '../../src/signer/standing.ts'
import {
  FRESH,
  frozenBy,
  givenTo,
  hashOf,
  hashOfNumber,
  invoicesRequest,
  lineManifest,
  NODE,
  offerOf,
  remembering,
  standingOf,
} from './lightning-world.ts'
import { HOUR_MS, type Person, POLICY, START } from './world.ts'

const MANIFEST = lineManifest()
const ONE = [{ payee: 0, n: 1 }]
const ALL = [0, 1, 2].map(payee => ({ payee, n: 1 }))

const judge = (request: InvoicesRequest, memory = FRESH, over: Partial<Standing> = {}) =>
  judgeInvoices(standingOf(memory, over), request)

function reasonOf(judged: ReturnType<typeof judge>): string {
  return judged.kind === 'refused' ? judged.reason : judged.kind
}

const given = (memory: Memory, numbers: Readonly<Record<number, number>>, n = 1) =>
  givenTo(MANIFEST, numbers, { memory, n })

const ended = (memory: Memory, n = 1, isLast = false) =>
  remembering(memory, [
    { kind: 'ln ended', manifest: hashOf(MANIFEST), lines: [{ payee: 0, n, isLast }] },
  ])

describe('a batch is begun', () => {
  test('by an approver, counted once with its largest fees, and asks for exactly each amount', () => {
    const judged = judge(invoicesRequest(MANIFEST, ALL))
    expect(judged).toMatchObject({
      kind: 'invoices',
      event: {
        kind: 'ln batch',
        by: 'operators',
        spendSats: 3030n,
        expiresAt: START + 6 * HOUR_MS,
      },
      lines: ['ann', 'ben', 'cat'].map((name, payee) => ({
        ...{ kind: 'ask', payee, n: 1, address: { text: `${name}@pay.example.org` } },
        asked: { network: 'regtest', amount: 1_000_000n, cltvBlocksMax: 144 },
      })),
    })
    if (judged.kind !== 'invoices') return
    const memory = remembering(FRESH, [judged.event])
    expect(spentBefore(memory, unixMs(START)).day).toBe(3030n)
    expect(judge(invoicesRequest(MANIFEST, ALL), memory)).toMatchObject({ event: null })
  })

  test('by the pool within its band, and not above it', () => {
    expect(judge(invoicesRequest(MANIFEST, ONE, ['pool']))).toMatchObject({ event: { by: 'pool' } })
    const payees = MANIFEST.payees.map(line => ({ ...line, amount: sats(70_000n) }))
    const above = lineManifest({ payees })
    expect(reasonOf(judge(invoicesRequest(above, ONE, ['pool'])))).toContain('0 of 1 approvals')
  })

  test('within what the band allows a day, whatever rail it left by', () => {
    const { auto } = POLICY
    if (auto === null) throw new Error('there is a band')
    const narrow = { policy: { ...POLICY, auto: { ...auto, perDay: sats(6000n) } } }
    const first = judge(invoicesRequest(MANIFEST, ONE, ['pool']), FRESH, narrow)
    if (first.kind !== 'invoices') throw new Error(reasonOf(first))
    const memory = remembering(FRESH, [first.event])
    const second = invoicesRequest(lineManifest({ batch: batchId(8n) }), ONE, ['pool'])
    expect(reasonOf(judge(second, memory, narrow))).toContain('0 of 1 approvals')
    expect(judge(invoicesRequest(MANIFEST, ONE, ['pool']), memory, narrow).kind).toBe('invoices')
    const later = { ...narrow, now: unixMs(START + 24 * HOUR_MS) }
    const tomorrow = lineManifest({ batch: batchId(8n), expiresAt: unixMs(START + 48 * HOUR_MS) })
    expect(judge(invoicesRequest(tomorrow, ONE, ['pool']), memory, later).kind).toBe('invoices')
  })

  test.each<[string, Person[]]>([
    ['nobody', []],
    ['a stranger', ['stranger']],
    ['one who only looks', ['eve']],
    ['one whose key has expired', ['dave']],
  ])('not by %s', (_, people) =>
    expect(reasonOf(judge(invoicesRequest(MANIFEST, ONE, people)))).toContain('0 of 1 approvals'),
  )

  const other = { position: 9, hash: digest('ab'.repeat(32)) }
  const edited = (over: Partial<LineManifest>): InvoicesRequest => ({
    ...invoicesRequest(MANIFEST, ONE),
    manifest: invoicesRequest(lineManifest(over), ONE).manifest,
  })
  test.each<[string, InvoicesRequest, string]>([
    ['of another network', invoicesRequest(lineManifest({ network: 'signet' }), ONE), 'of signet'],
    ['approved for other bytes', edited({ batch: batchId(8n) }), '0 of 1'],
    [
      'not canonical',
      { ...invoicesRequest(MANIFEST, ONE), manifest: new Uint8Array(9) },
      'canonic',
    ],
    [
      'for a pool that has seen more',
      { ...invoicesRequest(MANIFEST, ONE), head: other },
      'confirm',
    ],
    ['with a line twice', invoicesRequest(MANIFEST, [...ONE, ...ONE]), 'a line twice'],
  ])('not %s', (_, request, why) => expect(reasonOf(judge(request))).toContain(why))

  test('not while the rail is frozen, nor by another manifest of its number', () => {
    const frozen = remembering(FRESH, [frozenBy('alice', 'lightning')])
    expect(reasonOf(judge(invoicesRequest(MANIFEST, ONE), frozen))).toBe('the rail is frozen')
    const second = lineManifest({ createdBy: 'plan:other' })
    expect(reasonOf(judge(invoicesRequest(second, ONE), given(FRESH, { 0: 1 })))).toContain(
      'another manifest',
    )
  })

  test('not by the number of a batch of coins, nor a batch of coins by its own', () => {
    const coins: MemoryEvent = {
      ...({ kind: 'batch', batch: '7', by: 'operators', payees: [] } as const),
      manifest: digest('cd'.repeat(32)),
      ...{ anchor: { txid: txid('11'.repeat(32)), vout: 0 }, txid: txid('22'.repeat(32)) },
      spendSats: sats(1n),
    }
    const before = remembering(FRESH, [coins])
    expect(reasonOf(judge(invoicesRequest(MANIFEST, ONE), before))).toContain('another manifest')
    const begun = given(FRESH, { 0: 1 })
    expect(() => remembering(begun, [coins])).toThrow('does not follow')
  })

  test('not once it has expired: closed where nothing was given, refused where something was', () => {
    const at = { now: MANIFEST.expiresAt }
    const request = invoicesRequest(MANIFEST, ONE)
    const closed = {
      kind: 'closed',
      event: { kind: 'closed', manifest: hashOf(MANIFEST) },
    } as const
    expect(judge(request, FRESH, at)).toEqual(closed)
    const memory = remembering(FRESH, [closed.event])
    expect(judge(request, memory)).toEqual({ kind: 'closed', event: null })
    expect(reasonOf(judge(request, given(FRESH, { 0: 1 }), at))).toBe('it has expired')
    expect(judge(request, FRESH, { now: unixMs(MANIFEST.expiresAt - 1) }).kind).toBe('invoices')
  })
})

describe('a line', () => {
  const of = (memory: Memory, n: number, payee = 0, manifest = MANIFEST) => {
    const judged = judge(invoicesRequest(manifest, [{ payee, n }]), memory)
    return judged.kind === 'invoices' ? judged.lines[0] : judged
  }

  test('that has an attempt gives the same invoice again, and no other', () => {
    const memory = given(FRESH, { 0: 1 })
    expect(of(memory, 1)).toMatchObject({ kind: 'invoice', invoice: offerOf(1).invoice.text })
    expect(of(memory, 2)).toMatchObject({ kind: 'none', reason: 'attempt 1 has not ended' })
    expect(of(memory, 1, 1)).toMatchObject({ kind: 'ask' })
  })

  test('gives the next attempt when the one before has ended, and never an older one', () => {
    const memory = ended(given(FRESH, { 0: 1 }))
    expect(of(memory, 2)).toMatchObject({ kind: 'ask', n: 2 })
    for (const n of [1, 3])
      expect(of(memory, n)).toMatchObject({ kind: 'none', reason: 'the next attempt is 2' })
    expect(of(given(memory, { 0: 2 }, 2), 1)).toMatchObject({ reason: 'attempt 2 has not ended' })
    const over = ended(given(FRESH, { 0: 1 }), 1, true)
    expect(of(over, 2)).toMatchObject({ kind: 'none', reason: 'its line has ended' })
  })

  test.each<[string, string, string]>([
    ['another spelling', 'ann@PAY.example.org', 'another spelling'],
    ['an offer', 'lno1qgsqvgnwgcg35z6ee2h3yczraddm72xrfua', 'offers'],
    ['no destination', 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', 'nothing that Lightning'],
  ])('of %s gives none', (_, destination, why) => {
    const payees = MANIFEST.payees.slice(0, 1).map(line => ({ ...line, destination }))
    const manifest = lineManifest({ payees, feeMax: sats(10n) })
    expect(of(FRESH, 1, 0, manifest)).toMatchObject({
      ...{ kind: 'none', reason: expect.stringContaining(why) },
    })
  })

  test('that the manifest does not have gives none', () =>
    expect(of(FRESH, 1, 3)).toMatchObject({
      kind: 'none',
      reason: expect.stringContaining('no such'),
    }))
})

describe('what an address gave', () => {
  function take(
    offers: readonly (readonly [number, Offer])[],
    memory = remembering(FRESH, [beginning()]),
    now = unixMs(START),
  ) {
    const standing = standingOf(memory, { now })
    const judged = judgeInvoices(standing, invoicesRequest(MANIFEST, ALL))
    if (judged.kind !== 'invoices') throw new Error(reasonOf(judged))
    return takeOffers(standing, judged, { offers: new Map(offers), node: NODE })
  }
  function beginning() {
    const judged = judge(invoicesRequest(MANIFEST, ALL))
    return judged.kind === 'invoices' ? judged.event : null
  }

  test('is remembered in one word for all lines, with what each may cost', () => {
    const none = { kind: 'none', reason: 'the server refuses: "no"' } as const
    expect(
      take([
        [0, offerOf(1)],
        [1, none],
      ]),
    ).toEqual({
      event: {
        ...{ kind: 'ln invoices', manifest: hashOf(MANIFEST), node: NODE },
        lines: [
          {
            ...{ payee: 0, n: 1, paymentHash: hashOfNumber(1), amountSats: 1000n },
            ...{ feeMaxSats: 10n, invoice: offerOf(1).invoice.text },
          },
        ],
      },
      lines: [
        { kind: 'invoice', payee: 0, n: 1, invoice: offerOf(1).invoice.text },
        { payee: 1, n: 1, ...none },
        { kind: 'none', payee: 2, n: 1, reason: 'it was not asked in time' },
      ],
    })
  })

  test('is taken for no two lines, and never again', () => {
    const twice = take([
      [0, offerOf(1)],
      [1, offerOf(1)],
    ])
    expect(twice.lines[1]).toMatchObject({ kind: 'none', reason: 'the invoice was given before' })
    const memory = ended(given(FRESH, { 0: 1 }))
    const again = take(
      [
        [1, offerOf(1)],
        [2, offerOf(2)],
      ],
      memory,
    )
    expect(again.lines.slice(1)).toMatchObject([{ kind: 'none' }, { kind: 'invoice' }])
  })

  test('is given for a line that another request brought forward meanwhile, as it was', () => {
    const memory = given(FRESH, { 0: 1 })
    const { lines, event } = take([[0, offerOf(2)]], memory)
    expect(lines[0]).toMatchObject({ kind: 'invoice', invoice: offerOf(1).invoice.text })
    expect(event).toBeNull()
  })

  test.each<[string, Offer, string]>([
    ['for less', offerOf(1, { prefix: 'lnbcrt9999990p' }), 'not for 1000000 msat'],
    ['of another network', offerOf(1, { prefix: 'lntbs10u' }), 'for signet'],
    ['without an amount', offerOf(1, { prefix: 'lnbcrt' }), 'no amount'],
    ['that expires soon', offerOf(1, { expirySeconds: 119 }), 'too soon'],
    ['that holds for long', offerOf(1, { cltvBlocks: 145 }), '145 blocks'],
    ['with a way that does', offerOf(1, { cltvBlocks: 80, hints: [[145]] }), '145 blocks'],
  ])('is not taken %s', (_, offer, why) => {
    const { lines, event } = take([[0, offer]])
    expect(lines[0]).toMatchObject({ kind: 'none', reason: expect.stringContaining(why) })
    expect(event).toBeNull()
  })

  test('is not taken when it took so long that little of it is left', () => {
    const late = unixMs(START + HOUR_MS - 100_000)
    expect(take([[0, offerOf(1)]], undefined, late).lines[0]).toMatchObject({
      reason: 'the invoice expires too soon',
    })
  })
})
