import { assert } from '../../../lib/assert.ts'
import type { NodeRpc } from '../../../lib/nodes/bitcoin-core-client.ts'
import { isNodeTrouble } from '../../node-trouble-client.ts'
import type { L1Options } from './l1-parts.ts'
import type { L1Signer } from './signer.ts'
import { walletClient } from './wallet-client.ts'

/**
 * The node's own wallet signs whatever it is asked to, so it holds no more than a float that the
 * configuration caps; only regtest has none. The rail has judged the batch before it asks, and
 * checks the bytes after.
 */
export function nodeSigner(
  node: NodeRpc,
  name: string,
  { network, floatCap }: Pick<L1Options, 'network' | 'floatCap'>,
): L1Signer {
  assert(
    network === 'regtest' || floatCap !== null,
    'off regtest a node signs only for a float that has a cap',
  )
  const wallet = walletClient(node, name)
  return {
    sign: async ({ psbt }) => {
      try {
        return { kind: 'signed', psbt: await wallet.sign(psbt) }
      } catch (error) {
        if (!isNodeTrouble(error)) throw error
        // A locked wallet, or a node that is away: nothing was sent, and asking again is harmless.
        return { kind: 'waits', reason: `the wallet did not sign: ${error.message}` }
      }
    },
  }
}
