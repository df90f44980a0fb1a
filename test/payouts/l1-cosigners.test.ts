import { Transaction } from 'bitcoinjs-lib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fromHex } from '../../src/lib/bytes.ts'
import { type BatchId, batchId } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import type { Rail } from '../../src/payouts/rail.ts'
import {
  addSignatures,
  cosigners,
  versionToSign,
} from '../../src/payouts/rails/l1/cosigner-store.ts'
import { multisigInputWeight, parseMultisig } from '../../src/payouts/rails/l1/multisig.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { expectSettledBy, lastBatch, mempool, outputsTo, versionsIn } from './l1-chain.ts'
import { addressOf, createWorld, FINALITY, OPTIONS, railOn, type World } from './l1-world.ts'
import {
  createMultisig,
  type MultisigKind,
  multisigDescriptor,
  sendSigned,
  signAnew,
  signAtNode,
  signWithSeed,
} from './multisig-wallet.ts'
import { OWED } from './seed.ts'

const PAID = (OWED[0] ?? 0n) / 1000n
/** A signature may be some bytes shorter than the largest, and a count of inputs too. */
const SLACK_AN_INPUT = 10

let node: TestNode
let world: World
let payee: string
let lastPayee = 9000

beforeAll(async () => {
  node = await testNode()
})
afterAll(() => node.remove())

for (const kind of ['wsh', 'tr'] as const)
  describe(kind === 'wsh' ? 'wsh(sortedmulti)' : 'tr(sortedmulti_a)', () => multisigTests(kind))

function multisigTests(kind: MultisigKind): void {
  const wallet = `payouts-${kind}`
  const multisig = parseMultisig(multisigDescriptor(kind))
  let batch: BatchId

  beforeAll(() => createMultisig(node, kind, wallet))
  beforeEach(async () => {
    payee = addressOf(++lastPayee)
    world = await createWorld(node, [payee], { name: wallet, multisig })
    await world.plan({ rail: railAt(2000n) })
    batch = batchId((await lastBatch(world)).id)
    await world.approve(batch)
    await advance(2000n)
  })
  afterEach(() => world.database.drop())

  function railAt(satPerKvb: bigint): Rail {
    const options = { ...OPTIONS, feeRateMin: sats(satPerKvb), bumpAfterBlocks: 0 }
    const hot = { name: wallet, signer: cosigners(world.db), multisig }
    return railOn(world.db, connectNode(node.rpc), { clock: world.clock, options, hot })
  }
  const advance = (satPerKvb: bigint) => world.advance({ rail: railAt(satPerKvb) })

  /** What waits for its co-signers now. */
  async function psbtToSign(): Promise<Uint8Array> {
    const waiting = await versionToSign(world.db, batch)
    if (waiting === null) throw new Error('nothing waits to be signed')
    return waiting.psbt
  }

  async function bring(psbt: Uint8Array, alias: string) {
    const outcome = await addSignatures(world.db, { batch, psbt, alias }, world.clock.now())
    expect(outcome).toMatchObject({ kind: 'taken' })
  }

  /** Two of the three sign what waits, and the pool goes on. */
  async function signByTwo(satPerKvb: bigint) {
    const psbt = await psbtToSign()
    await bring(signWithSeed(1, psbt), 'bob')
    await bring(signWithSeed(2, psbt), 'carol')
    await advance(satPerKvb)
  }

  test('a batch waits for two of three, whichever they are, and is then sent and settled', async () => {
    expect(await lastBatch(world)).toMatchObject({
      state: 'approved',
      note: 'no co-signer has signed it yet',
    })
    const psbt = await psbtToSign()
    await bring(await signAtNode(node, wallet, psbt), 'alice')
    await advance(2000n)
    expect(await lastBatch(world)).toMatchObject({
      state: 'approved',
      note: 'signed in full by 1, and it needs more',
    })
    await bring(signWithSeed(2, psbt), 'carol')
    await advance(2000n)
    expect(await lastBatch(world)).toMatchObject({ state: 'sent' })
    const [version] = await versionsIn(world)
    expect(await mempool(node)).toEqual([version?.txid])
    await settleHere()
    await expectSettledBy(world, version)
    expect(await outputsTo(node, payee)).toEqual([PAID])
  })

  async function settleHere() {
    await node.mine(FINALITY)
    await advance(2000n)
  }

  test('a signed transaction weighs no more than its inputs were counted with, and hardly less', async () => {
    await signByTwo(2000n)
    const [version] = await versionsIn(world)
    const transaction = Transaction.fromBuffer(fromHex(version?.hex ?? ''))
    const inputs = transaction.ins.length
    const bound = multisig ? multisigInputWeight(multisig) - 164 : 0
    expect(witnessesOf(transaction)).toBeLessThanOrEqual(inputs * bound)
    expect(witnessesOf(transaction)).toBeGreaterThan(inputs * (bound - SLACK_AN_INPUT))
    expect(version?.fee).toBeGreaterThanOrEqual(BigInt(transaction.virtualSize() * 2))
    await settleHere()
  })

  test('a replacement needs signatures again, and the one that was sent stays valid', async () => {
    await signByTwo(2000n)
    await advance(10_000n)
    const [first, second] = await versionsIn(world)
    expect(second).toMatchObject({ version: 2, hex: null })
    expect(await lastBatch(world)).toMatchObject({
      state: 'sent',
      note: 'no co-signer has signed it yet',
    })
    expect(await mempool(node)).toEqual([first?.txid])
    await signByTwo(10_000n)
    expect(await mempool(node)).toEqual([second?.txid])
    await settleHere()
    await expectSettledBy(world, second)
    expect(await outputsTo(node, payee)).toEqual([PAID])
  })

  test('a version that confirms while its replacement waits for signatures settles the batch', async () => {
    await signByTwo(2000n)
    await advance(10_000n)
    const [first] = await versionsIn(world)
    await settleHere()
    await expectSettledBy(world, first)
    expect(await versionToSign(world.db, batch)).toBeNull()
  })

  test('a first version that a co-signer sends by himself is taken in and booked', async () => {
    const psbt = await psbtToSign()
    const txid = await sendSigned(node, signWithSeed(1, signWithSeed(0, psbt)))
    await world.advance({ rail: railAt(2000n), frozen: async () => 'an operator looks' })
    const [version] = await versionsIn(world)
    expect(version).toMatchObject({ txid, hex: expect.any(String) })
    expect(await lastBatch(world)).toMatchObject({ state: 'sent' })
    expect((await world.balances())['asset:l1_out_unconfirmed']).toBe(
      (PAID + (version?.fee ?? 0n)) * 1000n,
    )
    await settleHere()
    await expectSettledBy(world, version)
  })

  test('a replacement that co-signers send, and that confirms at once, is taken in and booked', async () => {
    await signByTwo(2000n)
    await advance(10_000n)
    const txid = await sendSigned(node, signWithSeed(1, signWithSeed(0, await psbtToSign())))
    await node.mine(1)
    await advance(2000n)
    const second = (await versionsIn(world))[1]
    expect(second).toMatchObject({ txid, hex: expect.any(String) })
    expect((await world.balances())['asset:l1_out_unconfirmed']).toBe(
      (PAID + (second?.fee ?? 0n)) * 1000n,
    )
    await settleHere()
    await expectSettledBy(world, second)
  })

  test('a version without its bytes settles nothing, though the chain came to have it', async () => {
    await signByTwo(2000n)
    await advance(10_000n)
    const second = signWithSeed(1, signWithSeed(0, await psbtToSign()))
    const [first] = await versionsIn(world)
    await settleHere()
    const height = Number(await node.cli('getblockcount'))
    const hash = await node.cliText('getblockhash', height - FINALITY + 1)
    await node.cli('invalidateblock', hash)
    const txid = await sendSigned(node, second)
    expect(await mempool(node)).toEqual([txid])
    await node.mine(FINALITY, addressOf(++lastPayee + 1_000_000))
    await world.watch({ rail: railAt(2000n) })
    await expectSettledBy(world, first)
  })

  test('one co-signer who signs again and again keeps nobody else from signing', async () => {
    const psbt = await psbtToSign()
    await bring(signWithSeed(1, psbt), 'bob')
    for (const again of [1, 2, 3]) await bring(signAnew(1, psbt, again), 'bob')
    const rows = await world.db.selectFrom('version_signatures').select('given_by').execute()
    expect(rows).toHaveLength(1)
    await bring(signWithSeed(2, psbt), 'carol')
    await advance(2000n)
    expect(await lastBatch(world)).toMatchObject({ state: 'sent' })
  })
}

/** The part of a transaction's weight that is signatures and scripts, without marker and flag. */
function witnessesOf(transaction: Transaction): number {
  return transaction.byteLength(true) - transaction.byteLength(false) - 2
}
