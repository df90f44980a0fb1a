import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { watchTreasuries } from '../../src/bmm/index.ts'
import { DRIVECHAIN_OPCODES, treasuryScript } from '../../src/lib/bitcoin/drivechain.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { blockHash } from '../../src/lib/ids.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { SILENT } from '../pool/mining-fixtures.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

const opcode = DRIVECHAIN_OPCODES.nop5
let node: TestNode
beforeAll(async () => {
  node = await testNode()
  await node.cli('createwallet', 'w')
  await node.mine(101, await node.cliText('getnewaddress'))
})
afterAll(() => node.remove())

const funded = z.object({ hex: z.string() })

/** Mines a transaction with an output that only its script tells from others. */
async function mineOutput(script: Uint8Array): Promise<string> {
  const coin = z
    .array(z.object({ txid: z.string(), vout: z.number(), amount: z.number() }))
    .parse(await node.cli('listunspent'))[0]
  if (!coin) throw new Error('the wallet has a coin')
  // The RPC cannot write such a script, so an address of the same length makes way for it.
  const placeholder = '51024e73'
  const raw = await node.cliText(
    'createrawtransaction',
    [{ txid: coin.txid, vout: coin.vout }],
    [{ bcrt1pfeesnyr2tx: (coin.amount - 0.001).toFixed(8) }],
  )
  expect(raw).toContain(placeholder)
  const hex = raw.replace(`04${placeholder}`, `04${toHex(script)}`)
  const signed = funded.parse(await node.cli('signrawtransactionwithwallet', hex))
  const address = await node.cliText('getnewaddress')
  const { hash } = z
    .object({ hash: z.string() })
    .parse(await node.cli('generateblock', address, [signed.hex]))
  const { tx } = z.object({ tx: z.array(z.string()) }).parse(await node.cli('getblock', hash))
  return `${tx[1]}:0`
}

const tip = async () => blockHash(await node.cliText('getbestblockhash'))

test('treasury coins are found on the chain, in each new block, and after missed ones', async () => {
  const before = await mineOutput(treasuryScript({ slot: 9, opcode }))
  await node.mine(1)
  const watched = watchTreasuries({
    node: bitcoindClient(connectNode(node.rpc)),
    ...{ opcode, log: SILENT },
  })
  const knows = (coins: readonly string[]) =>
    pollUntil(() => coins.every(coin => watched.coins.has(coin)) || null, {
      everyMs: 20,
      timeoutMs: 45_000,
    })
  watched.see(await tip())
  expect(await knows([before])).toBe(true)

  const next = await mineOutput(treasuryScript({ slot: 3, opcode }))
  watched.see(await tip())
  expect(await knows([next])).toBe(true)

  const missed = await mineOutput(treasuryScript({ slot: 4, opcode }))
  const other = await mineOutput(treasuryScript({ slot: 4, opcode: DRIVECHAIN_OPCODES.nop8 }))
  watched.see(await tip())
  expect(await knows([before, next, missed])).toBe(true)
  expect(watched.coins.has(other)).toBe(false)
})
