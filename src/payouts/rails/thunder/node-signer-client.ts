import { assert } from '../../../lib/assert.ts'
import { equalBytes } from '../../../lib/bytes.ts'
import { type ThunderClient, ThunderError } from '../../../lib/nodes/thunder-client.ts'
import { NO_PROOF } from '../../../lib/thunder/block.ts'
import { parseTransaction, transactionBytes } from '../../../lib/thunder/transaction.ts'
import { orReason } from '../../node-trouble-client.ts'
import type { SigningOutcome, ThunderSigner } from './signer.ts'
import type { ThunderOptions } from './thunder-parts.ts'

/**
 * The node's own wallet signs whatever it is asked to, so it holds no more than a float that the
 * configuration caps; only regtest has none. It never sends: what comes back is checked first.
 */
export function thunderNodeSigner(
  client: Pick<ThunderClient, 'signTransaction'>,
  { network, floatCap }: Pick<ThunderOptions, 'network' | 'floatCap'>,
): ThunderSigner {
  assert(
    network === 'regtest' || floatCap !== null,
    'off regtest a node signs only for a float that has a cap',
  )
  return {
    sign: ({ bytes }) =>
      orReason<SigningOutcome>(
        reason => ({ kind: 'waits', reason: `the wallet did not sign: ${reason}` }),
        async () => {
          const transaction = parseTransaction(bytes)
          assert(transaction !== null, 'what was built can be read')
          const signed = await client.signTransaction({ ...transaction, proof: NO_PROOF })
          if (equalBytes(transactionBytes(signed.transaction), bytes))
            return { kind: 'signed', authorizations: signed.authorizations }
          throw new ThunderError(0, 'it gave another transaction back')
        },
      ),
  }
}
