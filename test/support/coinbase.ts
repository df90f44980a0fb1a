import { z } from 'zod'
import type { Devnet } from '../../src/devnet/index.ts'

const blockWithCoinbase = z.object({
  tx: z.tuple([
    z.object({
      vout: z.array(
        z.object({
          value: z.number().transform(btc => BigInt(Math.round(btc * 1e8))),
          scriptPubKey: z.object({ address: z.string().optional() }),
        }),
      ),
    }),
  ]),
})

/** What the coinbase of a block, with nothing else in it, pays to an address: sats, as the node has it. */
export async function paidTo(
  { call }: Pick<Devnet, 'call'>,
  hash: string,
  address: string,
): Promise<bigint> {
  const block = blockWithCoinbase.parse(await call('getblock', hash, 2))
  return block.tx[0].vout
    .filter(({ scriptPubKey }) => scriptPubKey.address === address)
    .reduce((sum, { value }) => sum + value, 0n)
}
