import { Transaction } from 'bitcoinjs-lib'
import { describe, expect, test } from 'vitest'
import { parentsOf, scanTransaction, withDescendants } from '../../src/lib/bitcoin/tx-scan.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import type { TransactionReply } from '../../src/lib/nodes/block-template.ts'
import { type Arranged, arrangeTemplate, witnessCommitmentOf } from '../../src/pool/arrangement.ts'
import { replyOf, templateReply } from '../bmm/mempool.ts'

const PARTS = {
  tag: '/test/',
  payScript: fromHex(`0014${'77'.repeat(20)}`),
  finderBytes: 0,
  bytesMax: 500,
}
const NOTHING: Arranged = {
  commitments: [],
  leftOut: new Set(),
  bound: new Set(),
  append: [],
}

/** A transaction that spends outputs of others, or else a coin from outside. */
function made(number: number, ...parents: readonly TransactionReply[]): TransactionReply {
  const transaction = new Transaction()
  const outside = new Uint8Array(32).fill(number)
  const hashes = parents.map(({ data }) => Transaction.fromBuffer(data).getHash())
  for (const hash of [outside, ...hashes])
    transaction.setWitness(transaction.addInput(hash, number), [Uint8Array.of(number)])
  transaction.addOutput(Uint8Array.of(0x51), 1n)
  return replyOf(transaction, BigInt(number))
}

const one = made(1)
const two = made(2, one)
const three = made(3)
const four = made(4, two, three)
const FAMILY = [one, two, three, four]
const places = (reply: { readonly transactions: readonly TransactionReply[] }) =>
  reply.transactions.map(({ fee }) => Number(fee))

const arrange = (changes: Partial<Arranged>, transactions: readonly TransactionReply[] = FAMILY) =>
  arrangeTemplate(templateReply(transactions), () => ({ ...NOTHING, ...changes }), PARTS)

describe('a template that is arranged', () => {
  test('as it is stays as it is', () => expect(arrange({})).toEqual(templateReply(FAMILY)))

  test('loses what spends a transaction that is left out, and their fees', () => {
    const reply = arrange({ leftOut: new Set([0]) })
    expect(places(reply)).toEqual([3])
    expect(reply.value).toBe(5_000_000_003n)
    expect(reply.witnessCommitment).toEqual(witnessCommitmentOf([three]))
  })

  test('ends with transactions of ours, and takes their fees', () => {
    const ours = made(9)
    const reply = arrange({ append: [ours] })
    expect(places(reply)).toEqual([1, 2, 3, 4, 9])
    expect(reply.value).toBe(5_000_000_019n)
    expect(reply.witnessCommitment).toEqual(witnessCommitmentOf([...FAMILY, ours]))
  })

  test('needs no commitment to witnesses when none is left', () => {
    const bare = new Transaction()
    bare.addInput(new Uint8Array(32).fill(8), 0)
    bare.addOutput(Uint8Array.of(0x51), 1n)
    expect(arrange({ leftOut: new Set([0, 2]) }, [one, replyOf(bare, 2n), three])).toMatchObject({
      witnessCommitment: null,
    })
  })

  test('gets the commitment that an enforcer of a signet leaves to the miner', () => {
    const given = templateReply(FAMILY, { witnessCommitment: null, isEnforced: true })
    const reply = arrangeTemplate(given, () => NOTHING, PARTS)
    expect(reply.witnessCommitment).toEqual(witnessCommitmentOf(FAMILY))
  })

  test('makes way from its end for what a block has no weight for, but not of what is bound', () => {
    const heavy = FAMILY.map(each => ({ ...each, weight: 999_800 }))
    expect(places(arrange({}, heavy))).toEqual([1, 2, 3])
    expect(places(arrange({ bound: new Set([3]) }, heavy))).toEqual([1, 2, 3, 4])
    const ours = { ...made(9), weight: 400_000 }
    expect(places(arrange({ append: [ours], bound: new Set([2]) }, heavy))).toEqual([1, 2, 3, 9])
    // Whoever falls takes along what spends it.
    expect(places(arrange({ append: [{ ...ours, weight: 1_900_000 }] }, heavy))).toEqual([1, 2, 9])
  })

  test('makes way likewise where a block would have too many signature checks', () => {
    const costly = FAMILY.map(each => ({ ...each, sigops: 20_000 }))
    expect(places(arrange({}, costly))).toEqual([1, 2, 3, 4])
    expect(places(arrange({ append: [made(9)] }, costly))).toEqual([1, 2, 3, 9])
  })

  test('is told how many bytes the commitments may have', () => {
    let room = 0
    const reply = arrangeTemplate(
      templateReply([]),
      template => {
        room = template.roomBytes
        return NOTHING
      },
      PARTS,
    )
    expect(reply.transactions).toEqual([])
    // Version, input and its script of 26, sequence, count of outputs, payout, commitment to the
    // witnesses, witness, locktime.
    expect(room).toBe(500 - (4 + 38 + 26 + 4 + 1 + 31 + 47 + 36 + 4))
  })
})

describe('a transaction of the template', () => {
  const entries = FAMILY.map(each => ({ ...each, scan: scanTransaction(each.data) }))

  test('knows its parents among the others', () =>
    expect(parentsOf(entries)).toEqual([[], [0], [], [1, 2]]))

  test('takes along all that spend it', () => {
    expect([...withDescendants([1], parentsOf(entries))]).toEqual([1, 3])
    expect([...withDescendants([], parentsOf(entries))]).toEqual([])
  })

  test('is not read where its bytes are cut, or too many', () => {
    const { data } = one
    expect(scanTransaction(data)?.scripts).toEqual([Uint8Array.of(0x51)])
    for (let cut = 0; cut < data.length; cut++)
      expect(scanTransaction(data.subarray(0, cut)), `${cut}`).toBeNull()
    expect(scanTransaction(Uint8Array.of(...data, 0))).toBeNull()
  })
})
