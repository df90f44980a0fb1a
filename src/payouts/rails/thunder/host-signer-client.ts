import type { Kysely } from 'kysely'
import { type CoinManifest, encodeManifest } from '../../../approval/index.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { Clock } from '../../../lib/time.ts'
import type { SignerClient } from '../../signer-client.ts'
import { askSigner } from '../../signing-client.ts'
import type { ThunderSigner } from './signer.ts'

/** Has versions signed on the signer host. */
export function thunderHostSigner(parts: {
  readonly db: Kysely<Database>
  readonly client: SignerClient
  readonly clock: Clock
  /** Where in our hot wallet an address of the main chain is; null where it is not told. */
  readonly receivingIndex: (address: string) => Promise<number | null>
}): ThunderSigner {
  return {
    sign: async ({ manifest, acts, bytes, coins }) => {
      const given = await askSigner(parts, {
        rail: 'thunder',
        ...{ manifest: encodeManifest(manifest), acts: [...acts], transaction: bytes },
        spent: coins.map(({ address, value }) => ({ address, valueSats: value })),
        ...(await hintOf(parts, manifest)),
      })
      if (given.kind === 'waits') return given
      if (given.kind === 'closed') return { kind: 'closed' }
      if (given.kind === 'authorized')
        return { kind: 'signed', authorizations: given.authorizations }
      return { kind: 'waits', reason: 'the signer gave signatures of another rail' }
    },
  }
}

/** The host finds our address by its place and not by the pool's word; searching would take long. */
async function hintOf(
  { receivingIndex }: Parameters<typeof thunderHostSigner>[0],
  { purpose, payees: [payee] }: CoinManifest,
): Promise<{ readonly payeeIndex?: number }> {
  if (purpose !== 'withdrawal' || payee === undefined) return {}
  const payeeIndex = await receivingIndex(payee.destination)
  return payeeIndex === null ? {} : { payeeIndex }
}
