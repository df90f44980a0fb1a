import { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import {
  DRIVECHAIN_OPCODES,
  depositOutputs,
  treasuryScript,
} from '../../src/lib/bitcoin/drivechain.ts'
import { fromHex, reversed, toHex } from '../../src/lib/bytes.ts'
import { blockHash, txid } from '../../src/lib/ids.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { parseThunderAddress, type ThunderAddress } from '../../src/lib/thunder/address.ts'
import type { Outpoint } from '../../src/payouts/outpoint.ts'
import type { Sidechain } from '../../src/payouts/rails/l1/l1-parts.ts'
import { type EnforcerView, treasuryWatch } from '../../src/payouts/rails/l1/treasury-client.ts'
import type { TestNode } from '../support/bitcoind.ts'

export const THUNDER = { slot: 9, opcode: DRIVECHAIN_OPCODES.nop5 } as const

const block = z.object({
  tx: z.array(
    z.object({
      txid: z.string(),
      vin: z.array(z.object({ txid: z.string().optional(), vout: z.int().optional() })),
      vout: z.array(z.object({ n: z.int(), scriptPubKey: z.object({ hex: z.string() }) })),
    }),
  ),
})

/** A bare address, for a test that has no key of it. */
export function thunderAddress(text: string): ThunderAddress {
  const parsed = parseThunderAddress(text)
  if (parsed.kind !== 'thunder') throw new Error(`${text} is no Thunder address`)
  return parsed.address
}

export const OUR_ADDRESS = thunderAddress('8twUkpctzwgbjqi5o14qWjrD9uk')
export const OTHER_ADDRESS = thunderAddress('JPbJrEKEaA69dAADY2qfW7dfyYQ')

/** What an enforcer would say of Thunder's slot, read from the whole chain of a test's node. */
export async function enforcerView({ cli, cliText }: TestNode): Promise<EnforcerView> {
  const script = toHex(treasuryScript(THUNDER))
  const height = Number(await cli('getblockcount'))
  let treasury: EnforcerView['treasury'] = null
  for (let at = 1; at <= height; at++) {
    const { tx } = block.parse(await cli('getblock', await cliText('getblockhash', at), 2))
    for (const { txid: id, vin, vout } of tx.slice(1)) {
      const out = vout.find(({ scriptPubKey }) => scriptPubKey.hex === script)
      const spends = vin.some(each => each.txid === treasury?.txid && each.vout === treasury?.vout)
      if (out && (treasury === null || spends)) treasury = { txid: txid(id), vout: out.n }
    }
  }
  return { tip: blockHash(await cliText('getblockhash', height)), isActive: true, treasury }
}

/** The sidechain of a test, as that enforcer sees it. */
export function testSidechain(
  node: TestNode,
  enforcer: () => Promise<EnforcerView> = () => enforcerView(node),
): Sidechain {
  const treasury = treasuryWatch(connectNode(node.rpc), enforcer, THUNDER)
  return { ...THUNDER, addresses: new Set([OUR_ADDRESS]), treasury }
}

const unspents = z.object({
  unspents: z.array(z.object({ txid: z.string(), vout: z.int(), height: z.int() })),
})
const BLOCK_REWARD = 5_000_000_000n
const MATURITY = 100

/** Another's deposit, signed by nobody: it spends a coin that was mined to anybody. */
export async function rivalDeposit(node: TestNode, amount: bigint): Promise<string> {
  const { treasury } = await enforcerView(node)
  const height = Number(await node.cli('getblockcount'))
  const found = unspents.parse(await node.cli('scantxoutset', 'start', ['raw(51)']))
  const coin = found.unspents.find(each => each.height <= height - MATURITY)
  if (!coin) throw new Error('there is no mature coin of anybody')
  const hex =
    treasury &&
    (await node.cliText('getrawtransaction', treasury.txid, false, await blockOf(node, treasury)))
  const before = hex && treasury ? (Transaction.fromHex(hex).outs[treasury.vout]?.value ?? 0n) : 0n
  const made = new Transaction()
  made.version = 2
  for (const { txid: id, vout } of [coin, ...(treasury ? [treasury] : [])])
    made.addInput(reversed(fromHex(id)), vout)
  const outputs = depositOutputs({ ...THUNDER, treasury: before + amount, address: OTHER_ADDRESS })
  for (const { script, value } of outputs) made.addOutput(script, value)
  made.addOutput(Uint8Array.of(0x51), BLOCK_REWARD / 2n - amount)
  return made.toHex()
}

async function blockOf(node: TestNode, { txid: id, vout }: Outpoint): Promise<string> {
  const out = z.object({ confirmations: z.int() }).parse(await node.cli('gettxout', id, vout))
  return node.cliText(
    'getblockhash',
    Number(await node.cli('getblockcount')) - out.confirmations + 1,
  )
}
