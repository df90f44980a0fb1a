import type { Txid } from '../../../lib/ids.ts'
import { askLightning, type SignerParts } from './host-signer-client.ts'

/** Has the signer host open a channel; why not, or null where lnd is opening it. */
export function channelOpener(parts: SignerParts) {
  return async (asked: {
    readonly manifest: Uint8Array
    readonly txid: Txid
    readonly peer: string
    readonly feeRateSatPerVb: number
  }): Promise<string | null> => {
    const reply = await askLightning(parts, { ask: 'open', ...asked })
    if (reply.kind === 'opening') return null
    return reply.kind === 'waits' ? reply.reason : 'the signer answered something else'
  }
}
