import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { readMessage } from '../../src/bmm/index.ts'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { coinbaseOfBlock, parseCoinbase } from '../../src/lib/bitcoin/tx.ts'
import { readCoinbase } from '../../src/pool/coinbase.ts'
import { mineJob, nextJob, PARTS, placeBid } from '../bmm/bidding.ts'
import { complaintOf } from '../bmm/judge.ts'
import { NOP5 } from '../bmm/mempool.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

let node: TestNode

beforeAll(async () => {
  node = await testNode()
  await node.cli('createwallet', 'bidder')
  await node.mine(110, await node.cliText('getnewaddress'))
})
afterAll(() => node.remove())

const STATE = {
  ...{ opcode: NOP5, active: new Set([1, 2, 9]), treasuries: new Map(), ready: new Set<string>() },
  pending: new Map(),
}

async function txidsIn(block: Uint8Array): Promise<readonly string[]> {
  const hash = headerHash(block.subarray(0, 80))
  const { tx } = z.object({ tx: z.array(z.string()) }).parse(await node.cli('getblock', hash))
  return tx.slice(1)
}

function slotsOf(block: Uint8Array): readonly number[] {
  const outputs = parseCoinbase(coinbaseOfBlock(block) ?? new Uint8Array())?.outputs ?? []
  return outputs
    .map(({ script }) => readMessage(script))
    .flatMap(message => (message?.kind === 'M7' ? [message.slot] : []))
}

test('a block with the best bids is taken by a real node, and would be by an enforcer', async () => {
  const stale = await placeBid(node, {
    slot: 9,
    feeRate: 50,
    previous: '00'.repeat(31).concat('01'),
  })
  const low = await placeBid(node, { slot: 9, feeRate: 10 })
  const high = await placeBid(node, { slot: 9, feeRate: 30 })
  const other = await placeBid(node, { slot: 1, feeRate: 5 })
  const block = await mineJob(node, await nextJob(node, 500))
  expect(slotsOf(block)).toEqual([9, 1])
  const txids = await txidsIn(block)
  // The wallet may chain its coins; whatever spends a loser is out with it.
  expect(txids).not.toContain(stale)
  expect(txids.filter(each => [low, high].includes(each))).toHaveLength(1)
  expect(complaintOf(block, STATE)).toBeNull()
  expect(readCoinbase(coinbaseOfBlock(block) ?? block, PARTS.payScript)).toMatchObject({
    kind: 'ours',
    extranonce1: Uint8Array.of(9, 8, 7, 6),
  })
  expect(txids).toContain(other)
})

test('one whose coinbase has no room for a bid is taken without it', async () => {
  const txid = await placeBid(node, { slot: 2, feeRate: 20 })
  const block = await mineJob(node, await nextJob(node, 200))
  expect(slotsOf(block)).toEqual([])
  expect(await txidsIn(block)).not.toContain(txid)
  expect(complaintOf(block, STATE)).toBeNull()
})
