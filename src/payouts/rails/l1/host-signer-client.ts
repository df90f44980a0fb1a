import { Psbt } from 'bitcoinjs-lib'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { fromHex, reversed, toHex } from '../../../lib/bytes.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { NodeRpc } from '../../../lib/nodes/bitcoin-core-client.ts'
import type { Clock } from '../../../lib/time.ts'
import { encodeManifest } from '../../../treasury/index.ts'
import type { SignerClient } from '../../signer-client.ts'
import { newestHead, storeHead } from '../../signer-head-store.ts'
import { takeSignatures } from './cosign.ts'
import { isNodeTrouble } from './node-trouble-client.ts'
import type { L1Signer } from './signer.ts'

export type HostSignerParts = {
  readonly db: Kysely<Database>
  readonly client: SignerClient
  readonly node: NodeRpc
  /** The node's watch-only wallet of the signer's descriptor. */
  readonly wallet: string
  readonly clock: Clock
}

/**
 * Has versions signed on the signer host. Where its memory ended is on record here before the
 * signatures are used, so that one restored from an older copy signs nothing more for us.
 */
export function hostSigner({ db, client, node, wallet, clock }: HostSignerParts): L1Signer {
  return {
    sign: async ({ manifest, acts, psbt }) => {
      const completed = await orReason(() => completePsbt(node, wallet, psbt))
      if (typeof completed === 'string') return { kind: 'waits', reason: completed }
      const head = await newestHead(db)
      const asked = { manifest: encodeManifest(manifest), acts: [...acts], psbt: completed, head }
      const answer = await client.sign({ rail: 'l1', ...asked })
      if (answer.kind === 'no answer') return { kind: 'waits', reason: answer.reason }
      const reply = answer.value
      if (reply.kind === 'refused')
        return { kind: 'waits', reason: `the signer refuses: ${reply.reason}` }
      const wrong = await storeHead(db, reply.head, clock.now())
      if (wrong !== null) return { kind: 'waits', reason: wrong }
      if (reply.kind === 'closed') return { kind: 'closed' }
      // The signer made its PSBT anew; no field of a signer that was taken over reaches ours.
      const taken = takeSignatures(completed, reply.psbt)
      if (taken.kind === 'taken') return { kind: 'signed', psbt: taken.psbt }
      return { kind: 'waits', reason: `of what the signer gave: ${taken.reason}` }
    },
  }
}

/**
 * Adds what the signer checks amounts and scripts by: where in the wallet each script is, and the
 * whole transaction that made each coin.
 */
async function completePsbt(
  { call }: NodeRpc,
  wallet: string,
  psbt: Uint8Array,
): Promise<Uint8Array> {
  const text = Psbt.fromBuffer(psbt).toBase64()
  const told = await call('walletprocesspsbt', [text, false, 'ALL', true, false], { wallet })
  const completed = Psbt.fromBase64(z.object({ psbt: z.string() }).parse(told).psbt)
  for (const [index, { hash }] of completed.txInputs.entries()) {
    if (completed.data.inputs[index]?.nonWitnessUtxo) continue
    // The node leaves it out where every coin is Taproot; the signer asks for it all the same.
    const made = await call('gettransaction', [toHex(reversed(hash)), true], { wallet })
    const { hex } = z.object({ hex: z.string().regex(/^(?:[0-9a-f]{2})+$/) }).parse(made)
    completed.updateInput(index, { nonWitnessUtxo: fromHex(hex) })
  }
  return new Uint8Array(completed.toBuffer())
}

async function orReason<T>(work: () => Promise<T>): Promise<T | string> {
  try {
    return await work()
  } catch (error) {
    if (isNodeTrouble(error)) return `${error.name}: ${error.message}`
    throw error
  }
}
