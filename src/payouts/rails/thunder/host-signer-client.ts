import type { Kysely } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import type { Clock } from '../../../lib/time.ts'
import { encodeManifest } from '../../../treasury/index.ts'
import type { SignerClient } from '../../signer-client.ts'
import { askSigner } from '../../signing-client.ts'
import type { ThunderSigner } from './signer.ts'

/** Has versions signed on the signer host. */
export function thunderHostSigner(parts: {
  readonly db: Kysely<Database>
  readonly client: SignerClient
  readonly clock: Clock
}): ThunderSigner {
  return {
    sign: async ({ manifest, acts, bytes, coins }) => {
      const given = await askSigner(parts, {
        rail: 'thunder',
        ...{ manifest: encodeManifest(manifest), acts: [...acts], transaction: bytes },
        spent: coins.map(({ address, value }) => ({ address, valueSats: value })),
      })
      if (given.kind === 'waits') return given
      if (given.kind === 'closed') return { kind: 'closed' }
      if (given.kind === 'authorized')
        return { kind: 'signed', authorizations: given.authorizations }
      return { kind: 'waits', reason: 'the signer gave signatures of another rail' }
    },
  }
}
