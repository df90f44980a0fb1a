import { expect, test } from 'vitest'
import { unixMs } from '../../../src/lib/ids.ts'
import { parseBolt11 } from '../../../src/lib/lightning/bolt11.ts'
import { type Asked, invoiceComplaint } from '../../../src/lib/lightning/invoice.ts'
import { millisats } from '../../../src/lib/money.ts'
import { type WrittenInvoice, writeInvoice } from '../../support/invoice.ts'
import wallets from '../../vectors/bolt11-wallets.json' with { type: 'json' }

const NOW_SECONDS = 1_800_000_000
const ASKED: Asked = { network: 'regtest', amount: millisats(1_000_000n), cltvBlocksMax: 144 }

function complaint(written: WrittenInvoice, asked: Partial<Asked> = {}, laterSeconds = 0) {
  const outcome = parseBolt11(writeInvoice({ createdAtSeconds: NOW_SECONDS, ...written }))
  if (outcome.kind === 'refused') throw new Error(outcome.reason)
  const now = unixMs(1000 * (NOW_SECONDS + laterSeconds))
  return invoiceComplaint(outcome.invoice, { ...ASKED, ...asked }, now)
}

const CASES: readonly (readonly [string, string | null, ...Parameters<typeof complaint>])[] = [
  ['what was asked for', null, {}],
  ['another network', 'for signet', { prefix: 'lntbs10u' }],
  ['no amount', 'no amount', { prefix: 'lnbcrt' }],
  ['a millisat less', 'not for', { prefix: 'lnbcrt9999990p' }],
  ['a millisat more', 'not for', { prefix: 'lnbcrt10000010p' }],
  ['the last moment', null, {}, {}, 3600 - 120],
  ['too little time', 'too soon', {}, {}, 3600 - 119],
  ['its time being up', 'expired', {}, {}, 3600],
  ['as many blocks as allowed', null, { cltvBlocks: 144, hints: [[144], [100, 44], [7]] }],
  ['a block too many', '145 blocks', { cltvBlocks: 145 }],
  ['blocks hidden in the way', '2016 blocks', { hints: [[10], [2000, 16]] }],
  ['a block too many in the way', '145 blocks', { hints: [[144], [100, 45]] }],
  ['32 hops of hints', null, { hints: Array.from({ length: 32 }, () => [1]) }],
  ['33 hops of hints', 'too many ways', { hints: Array.from({ length: 33 }, () => [1]) }],
]

for (const [what, reason, ...args] of CASES)
  test(`an invoice with ${what} is ${reason === null ? 'paid' : 'refused'}`, () => {
    if (reason === null) expect(complaint(...args)).toBeNull()
    else expect(complaint(...args)).toContain(reason)
  })

for (const { name, invoice: text, network, amountMsat, createdAtSeconds } of wallets.valid)
  test(`in its time this would be paid: ${name}`, () => {
    const outcome = parseBolt11(text)
    if (outcome.kind === 'refused') throw new Error(outcome.reason)
    const asked = {
      ...ASKED,
      network: network as Asked['network'],
      amount: millisats(BigInt(amountMsat)),
    }
    expect(invoiceComplaint(outcome.invoice, asked, unixMs(1000 * createdAtSeconds))).toBeNull()
  })
