import { Block, Transaction } from 'bitcoinjs-lib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arrangeBlock, type OwnSideBlock } from '../../src/bmm/commitments.ts'
import { messageScript, readMessage } from '../../src/bmm/messages.ts'
import { readRequest } from '../../src/bmm/request.ts'
import type { Output } from '../../src/lib/bitcoin/tx.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { BlockTemplateReply, TransactionReply } from '../../src/lib/nodes/block-template.ts'
import { arrangeTemplate, witnessCommitmentOf } from '../../src/pool/arrangement.ts'
import { assembleBlock } from '../../src/pool/job.ts'
import { createJobMaker } from '../../src/pool/live-jobs.ts'
import { readTemplate } from '../../src/pool/template.ts'
import { complaintOf } from './judge.ts'
import { mempoolOf, NOP5, recipes, STATE, templateReply } from './mempool.ts'

const PARTS = { tag: '/test/', payScript: fromHex(`0014${'77'.repeat(20)}`), finderBytes: 0 }
const COINS = new Set([...STATE.treasuries.values()].map(({ coin }) => coin))

function blockOf(reply: BlockTemplateReply): Uint8Array {
  const outcome = readTemplate(reply, 'regtest')
  if (outcome.kind !== 'template') throw new Error(outcome.detail)
  const job = createJobMaker({ run: 1n, ...PARTS })(outcome.template, unixMs(0))
  return assembleBlock(job, {
    extranonce1: new Uint8Array(4),
    extranonce2: new Uint8Array(8),
    ...{ time: 2, nonce: 0, version: reply.version },
  })
}

type Setting = { readonly own: OwnSideBlock | null; readonly bytesMax: number }

const settings: fc.Arbitrary<Setting> = fc.record({
  own: fc.option(
    fc.record({
      slot: fc.integer({ min: 0, max: 3 }),
      sideBlock: fc.constant('e'.repeat(64)),
      yieldsFrom: fc.option(fc.bigInt({ min: 0n, max: 60n }).map(sats)),
    }),
  ),
  bytesMax: fc.integer({ min: 150, max: 600 }),
})

function arranged(reply: BlockTemplateReply, { own, bytesMax }: Setting): BlockTemplateReply {
  const terms = {
    ...{ opcode: NOP5, treasuryCoins: COINS, own, failingBundles: null, ownTransactions: [] },
  } as const
  const arrange: Parameters<typeof arrangeTemplate>[1] = template => ({
    ...arrangeBlock(template, terms),
    append: [],
  })
  return arrangeTemplate(reply, arrange, { ...PARTS, bytesMax })
}

/** Everything that plain nodes check of a block and an arrangement could break. */
function expectWellFormed(reply: BlockTemplateReply, raw: Uint8Array): void {
  const block = Block.fromBuffer(raw)
  expect(block.checkTxRoots()).toBe(true)
  const [coinbase, ...rest] = block.transactions ?? []
  const paid = coinbase?.outs.reduce((sum, { value }) => sum + value, 0n)
  expect(paid).toBe(reply.transactions.reduce((sum, { fee }) => sum + fee, 5_000_000_000n))
  const known = new Set<string>()
  const all = new Set(rest.map(transaction => transaction.getId()))
  for (const transaction of rest) {
    for (const { hash } of transaction.ins) {
      const parent = toHex(hash.slice().reverse())
      if (all.has(parent)) expect(known).toContain(parent)
    }
    known.add(transaction.getId())
  }
}

/** A slot is accepted for the fee of its bid, or for our own side block, and never for nothing. */
function expectNothingGivenAway(reply: BlockTemplateReply, own: OwnSideBlock | null): void {
  const paid = reply.transactions.map(({ data }) => {
    const bid = readRequest(Transaction.fromBuffer(data).outs[0]?.script ?? fromHex(''))
    return bid && toHex(messageScript({ kind: 'M7', ...bid }))
  })
  const free = own ? [toHex(messageScript({ kind: 'M7', ...own }))] : []
  for (const { script } of reply.commitments)
    if (readMessage(script)?.kind === 'M7') expect([...paid, ...free]).toContain(toHex(script))
}

/** All active slots abstain. */
const VOTE: Output = { value: 0n, script: fromHex('6a08d77d177601ffffff') }

/** What an enforcer's template has: one transaction after another, as long as it stays valid. */
function enforcedReply(transactions: readonly TransactionReply[]): BlockTemplateReply {
  let reply = templateReply([], { isEnforced: true, commitments: [VOTE] })
  const left = new Set<string>()
  for (const transaction of transactions) {
    const isOrphan = parentIds(transaction).some(parent => left.has(parent))
    const candidate = withTransaction(reply, transaction)
    if (!isOrphan && complaintOf(blockOf(candidate), STATE) === null) reply = candidate
    else left.add(transaction.txid)
  }
  return reply
}

function withTransaction(
  reply: BlockTemplateReply,
  transaction: TransactionReply,
): BlockTemplateReply {
  const { outs } = Transaction.fromBuffer(transaction.data)
  const bid = readRequest(outs[0]?.script ?? fromHex(''))
  const m7 = bid ? [{ value: 0n, script: messageScript({ kind: 'M7', ...bid }) }] : []
  const all = [...reply.transactions, transaction]
  return {
    ...reply,
    transactions: all,
    value: sats(reply.value + transaction.fee),
    commitments: [...reply.commitments, ...m7],
    witnessCommitment: witnessCommitmentOf(all),
  }
}

function parentIds({ data }: TransactionReply): string[] {
  return Transaction.fromBuffer(data).ins.map(({ hash }) => toHex(hash.slice().reverse()))
}

describe('no block of ours is one that enforcers refuse', () => {
  test('when a node without an enforcer made its template', () =>
    fc.assert(
      fc.property(recipes, settings, (made, setting) => {
        const reply = arranged(templateReply(mempoolOf(made)), setting)
        const block = blockOf(reply)
        expect(complaintOf(block, STATE)).toBeNull()
        expectWellFormed(reply, block)
        expectNothingGivenAway(reply, setting.own)
      }),
      { numRuns: 500 },
    ))

  test('when an enforcer made it, and bids or slots of it are left out', () =>
    fc.assert(
      fc.property(recipes, settings, (made, setting) => {
        const given = enforcedReply(mempoolOf(made))
        const reply = arranged(given, setting)
        const block = blockOf(reply)
        expect(complaintOf(block, STATE)).toBeNull()
        expectWellFormed(reply, block)
        expectNothingGivenAway(reply, setting.own)
      }),
      { numRuns: 200 },
    ))

  test("and an enforcer's template with room for it stays as it is, byte for byte", () =>
    fc.assert(
      fc.property(recipes, made => {
        const given = enforcedReply(mempoolOf(made))
        expect(arranged(given, { own: null, bytesMax: 1000 })).toEqual(given)
      }),
      { numRuns: 100 },
    ))

  test('while without any of this, most of these templates would be refused', () => {
    let refused = 0
    fc.assert(
      fc.property(recipes, made => {
        if (complaintOf(blockOf(templateReply(mempoolOf(made))), STATE)) refused += 1
      }),
      { numRuns: 200, seed: 1 },
    )
    expect(refused).toBeGreaterThan(100)
  })
})
