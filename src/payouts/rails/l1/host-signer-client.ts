import { Psbt } from 'bitcoinjs-lib'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { encodeManifest } from '../../../approval/index.ts'
import { fromHex, reversed, toHex } from '../../../lib/bytes.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { NodeRpc } from '../../../lib/nodes/bitcoin-core-client.ts'
import type { Clock } from '../../../lib/time.ts'
import { isNodeTrouble } from '../../node-trouble-client.ts'
import type { SignerClient } from '../../signer-client.ts'
import { askSigner } from '../../signing-client.ts'
import { takeSignatures } from './cosign.ts'
import type { L1Signer } from './signer.ts'

export type HostSignerParts = {
  readonly db: Kysely<Database>
  readonly client: SignerClient
  readonly node: NodeRpc
  /** The node's watch-only wallet of the signer's descriptor. */
  readonly wallet: string
  readonly clock: Clock
}

/** Has versions signed on the signer host. */
export function hostSigner({ db, client, node, wallet, clock }: HostSignerParts): L1Signer {
  return {
    sign: async ({ manifest, acts, psbt }) => {
      const completed = await orReason(() => completePsbt(node, wallet, psbt))
      if (typeof completed === 'string') return { kind: 'waits', reason: completed }
      const asked = { manifest: encodeManifest(manifest), acts: [...acts], psbt: completed }
      const given = await askSigner({ db, client, clock }, { rail: 'l1', ...asked })
      if (given.kind === 'waits') return given
      if (given.kind === 'closed') return { kind: 'closed' }
      if (given.kind !== 'signed')
        return { kind: 'waits', reason: 'the signer gave signatures of another rail' }
      // The signer made its PSBT anew; no field of a signer that was taken over reaches ours.
      const taken = takeSignatures(completed, given.psbt)
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
