import { createHash } from 'node:crypto'
import { address, networks, Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import type { Devnet } from '../../src/devnet/index.ts'
import { concat, toHex } from '../../src/lib/bytes.ts'
import { formatBtc, sats } from '../../src/lib/money.ts'

/** Outputs of one funding transaction, which stays below what nodes pass on. */
const OUTPUTS_MAX = 250
const COIN_SATS = 10_000n
/** Few pay alike, so that the node has something to sort. */
const FEE_SATS_MIN = 1000n
const FEE_STEPS = 4999n
const FEE_STRIDE = 7919n
const FEE_RATE_SAT_PER_VB = 5
const OP_EQUAL = 0x87

/** Anyone can spend it who knows the number, and no two have one address. */
type Coin = {
  readonly number: Uint8Array
  readonly redeem: Uint8Array
  readonly script: Uint8Array
}

function coinOf(index: number): Coin {
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, index)
  const redeem = concat(Uint8Array.of(4), number, Uint8Array.of(OP_EQUAL))
  const hash = createHash('sha256').update(redeem).digest()
  return { number, redeem, script: concat(Uint8Array.of(0, 32), hash) }
}

/**
 * Fills the node's mempool with transactions that do not depend on each other; blocks that leave
 * them out leave it as it is.
 */
export async function fillMempool(devnet: Devnet, count: number): Promise<void> {
  const coins = Array.from({ length: count }, (_, index) => coinOf(index))
  for (let first = 0; first < count; first += OUTPUTS_MAX)
    await spendEach(devnet, coins.slice(first, first + OUTPUTS_MAX))
  const { size } = z.object({ size: z.number() }).parse(await devnet.call('getmempoolinfo'))
  if (size !== count) throw new Error(`the mempool holds ${size} transactions`)
}

async function spendEach({ call, walletCall, wallet }: Devnet, coins: readonly Coin[]) {
  const outputs = coins.map(({ script }) => ({
    [address.fromOutputScript(script, networks.regtest)]: formatBtc(sats(COIN_SATS)),
  }))
  const { txid } = z.object({ txid: z.string() }).parse(
    await walletCall(wallet, 'send', outputs, null, 'unset', null, {
      fee_rate: FEE_RATE_SAT_PER_VB,
    }),
  )
  const { hex } = z
    .object({ hex: z.string() })
    .parse(await walletCall(wallet, 'gettransaction', txid))
  const funding = Transaction.fromHex(hex)
  const places = new Map(funding.outs.map(({ script }, vout) => [toHex(script), vout]))
  // A block with the funding and nothing else, so that what is in the mempool stays there.
  await call('generateblock', 'raw(51)', [txid])
  for (const [index, { number, redeem, script }] of coins.entries()) {
    const spend = new Transaction()
    spend.version = 2
    spend.addInput(funding.getHash(), places.get(toHex(script)) ?? 0)
    spend.setWitness(0, [number, redeem])
    const fee = FEE_SATS_MIN + ((BigInt(index) * FEE_STRIDE) % FEE_STEPS)
    for (const part of [2n, 2n]) spend.addOutput(script, (COIN_SATS - fee) / part)
    await call('sendrawtransaction', spend.toHex())
  }
}
