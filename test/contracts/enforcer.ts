import { Transaction } from 'bitcoinjs-lib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readMessage } from '../../src/bmm/index.ts'
import { DRIVECHAIN_OPCODES, isWithdrawal } from '../../src/lib/bitcoin/drivechain.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { type BlockHash, blockHash } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { type EnforcerClient, enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { enforcerTemplateClient } from '../../src/lib/nodes/enforcer-template-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { parseBareAddress, THUNDER_SLOT } from '../../src/lib/thunder/address.ts'
import { letBundleAge, makePayableBundle } from '../support/bundle.ts'
import { mineDeposit } from '../support/deposit.ts'
import type { TestSidechain } from '../support/sidechain.ts'

const ADDRESS = '8twUkpctzwgbjqi5o14qWjrD9uk'
const SIDE_BLOCK = 'ab'.repeat(32)
const BID = 7000n
/** Two dozen blocks, with the votes of a bundle. */
const LONG = { timeout: 240_000 }
const PATIENCE = { everyMs: 50, timeoutMs: 30_000 }

/**
 * What templates, deposits and the merge mining rely on of an enforcer, by the pool's own clients.
 * Run it in a test file of the enforcer's own; the tests build on each other.
 */
export function testEnforcer(name: string, setUp: () => Promise<TestSidechain>): void {
  let side: TestSidechain
  let enforcer: EnforcerClient
  let templates: ReturnType<typeof enforcerTemplateClient>
  beforeAll(async () => {
    side = await setUp()
    enforcer = enforcerClient({ grpcUrl: side.urls.enforcerUrl })
    templates = enforcerTemplateClient(side.urls.templateUrl)
  })
  afterAll(() => side?.remove())

  const address = parseBareAddress(ADDRESS)
  if (address === null) throw new Error('it is an address')
  const tip = async (): Promise<BlockHash> => blockHash(await side.node.cliText('getbestblockhash'))

  test(`${name}: it is on regtest with the slot in use, and follows its node`, async () => {
    expect(await enforcer.chainInfo()).toMatchObject({ network: 'regtest' })
    expect((await enforcer.sidechains()).map(({ slot }) => slot)).toContain(THUNDER_SLOT)
    await side.node.mine(1)
    await side.sync()
    const { hash, previousBlock } = await enforcer.chainTip()
    expect(hash).toBe(await tip())
    const header = await bitcoindClient(connectNode(side.node.rpc)).getBlockHeader(previousBlock)
    expect(header?.confirmations).toBe(2)
  })

  test(`${name}: a deposit makes the treasury greater, and its block tells whose it is`, async () => {
    for (const amount of [300_000n, 200_000n]) {
      const before = await enforcer.ctip(THUNDER_SLOT)
      const txid = await mineDeposit(side, address, amount)
      const after = await enforcer.ctip(THUNDER_SLOT)
      expect(after).toMatchObject({ txid, vout: 0, value: (before?.value ?? 0n) + amount })
      const [block] = await enforcer.blockInfo(await tip(), THUNDER_SLOT, 0)
      expect(block?.events).toEqual([
        {
          ...{ kind: 'deposit', sequence: expect.anything(), txid, vout: 0 },
          ...{ address: utf8(ADDRESS), value: amount },
        },
      ])
    }
  })

  test(`${name}: of a deposit that its node does not relay it tells the id, and forgets it`, async () => {
    const before = await enforcer.balance()
    const wanted = { slot: THUNDER_SLOT, address, value: sats(100_000n), fee: sats(1000n) }
    const made = await enforcer.createDeposit(wanted)
    const id = made.kind === 'refused' ? null : made.txid
    expect(made).toMatchObject({ kind: 'unknown', txid: expect.stringMatching(/^[0-9a-f]{64}$/) })
    const listed = await side.enforcerCall('WalletService/ListSidechainDepositTransactions')
    expect(JSON.stringify(listed)).not.toContain(id)
    expect(await enforcer.balance()).toEqual(before)
  })

  test(`${name}: a deposit that cannot be is refused, and nothing is made`, async () => {
    const wanted = { slot: THUNDER_SLOT, address, value: sats(0n), fee: sats(1000n) }
    expect(await enforcer.createDeposit(wanted)).toMatchObject({ kind: 'refused' })
    const elsewhere = { ...wanted, slot: 77, value: sats(1000n) }
    expect(await enforcer.createDeposit(elsewhere)).toMatchObject({ kind: 'refused' })
  })

  test(`${name}: it tells which side block a main block carries`, async () => {
    const main = await side.mine({ accept: SIDE_BLOCK })
    const plain = await side.mine()
    const told = (hash: BlockHash) => enforcer.bmmCommitment(hash, THUNDER_SLOT)
    expect(await told(main)).toEqual({ kind: 'block', commitment: SIDE_BLOCK })
    expect(await told(plain)).toEqual({ kind: 'block', commitment: null })
    expect(await told(blockHash('12'.repeat(32)))).toEqual({ kind: 'unknown block' })
    const infos = await enforcer.blockInfo(plain, THUNDER_SLOT, 1)
    expect(infos.map(({ header, bmmCommitment }) => [header.hash, bmmCommitment])).toEqual([
      [plain, null],
      [main, SIDE_BLOCK],
    ])
    expect(await enforcer.blockInfo(blockHash('12'.repeat(32)), THUNDER_SLOT, 0)).toEqual([])
  })

  test(`${name}: its template is of the tip, and a long poll ends with the next block`, async () => {
    const now = await templates.getBlockTemplate()
    expect(now).toMatchObject({ previousBlock: await tip(), isEnforced: true })
    const { longPollId } = now
    const waiting = templates.getBlockTemplate(longPollId === null ? {} : { longPollId })
    const mined = await side.mine()
    // Of a tip that it saw a moment before the change it may tell once more.
    const next = await pollUntil(async () => {
      const { previousBlock } = await waiting
      return previousBlock === mined
        ? previousBlock
        : (await templates.getBlockTemplate()).previousBlock
    }, PATIENCE)
    expect(next).toBe(mined)
  })

  test(`${name}: a bid is in the template with its M7, and a block that takes the bid alone is thrown out`, async () => {
    const before = await tip()
    await side.enforcerCall('WalletService/CreateBmmCriticalDataTransaction', {
      ...{ sidechain_id: THUNDER_SLOT, value_sats: Number(BID), height: 0 },
      ...{ critical_hash: { hex: SIDE_BLOCK }, prev_bytes: { hex: before } },
    })
    const made = await pollUntil(async () => {
      const template = await templates.getBlockTemplate()
      return template.transactions.some(({ fee }) => fee === BID) ? template : null
    }, PATIENCE)
    const accepted = made?.commitments.map(({ script }) => readMessage(script))
    expect(accepted).toContainEqual({ kind: 'M7', slot: THUNDER_SLOT, sideBlock: SIDE_BLOCK })
    const [lost] = await side.node.mine(1)
    await side.sync()
    expect(await tip()).toBe(before)
    expect(await enforcer.blockInfo(blockHash(lost ?? ''), THUNDER_SLOT, 0)).toEqual([])
    const kept = await side.mine()
    expect(await enforcer.bmmCommitment(kept, THUNDER_SLOT)).toMatchObject({
      commitment: SIDE_BLOCK,
    })
  })

  test(
    `${name}: a bundle with enough votes is offered even where it fails, and that block is thrown out`,
    LONG,
    async () => {
      await makePayableBundle(side)
      await letBundleAge(side)
      const before = await tip()
      const { transactions } = await templates.getBlockTemplate()
      const last = Transaction.fromBuffer(transactions.at(-1)?.data ?? new Uint8Array())
      const treasury = { slot: THUNDER_SLOT, opcode: DRIVECHAIN_OPCODES.nop5 }
      expect(isWithdrawal({ inputs: last.ins.length, outputs: last.outs }, treasury)).toBe(true)
      await expect(side.mine()).rejects.toThrow('threw')
      expect(await tip()).toBe(before)
      await side.node.mine(1)
      await side.sync()
      expect(await enforcer.bundles(THUNDER_SLOT)).toEqual([])
    },
  )

  test(`${name}: a block that its node has is a duplicate to it`, async () => {
    const block = await bitcoindClient(connectNode(side.node.rpc)).getBlock(await tip())
    expect(block && (await templates.submitBlock(block))).toBe('duplicate')
  })
}
