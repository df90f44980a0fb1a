import { z } from 'zod'
import { unreachable } from '../../lib/assert.ts'
import { batchId } from '../../lib/ids.ts'
import { addSignatures, type VersionToSign, versionToSign } from '../../payouts/index.ts'
import type { Api } from '../app.ts'
import { bearerIn, requireScope } from '../auth.ts'
import * as contract from '../contract.ts'
import { Problem } from '../errors.ts'
import type { ApiParts } from '../rooms.ts'

/** Base64 of the largest PSBT that is kept, and room for the JSON around it. */
const BODY_BYTES_MAX = 5_500_000
/** Whole previous transactions of 100 coins fit; a larger upload is refused before it is read. */
const BASE64_MAX = 5_400_000

const NOTHING_WAITS = 'nothing of it waits to be signed'

const psbtReply = z.object({
  batch: contract.whole,
  version: z.int(),
  txid: contract.hash,
  signatures: z.int().describe('co-signers who have signed all of it so far'),
  psbt: z.base64().describe('BIP 174, unsigned, with scripts and derivations'),
})
const psbtBody = z.strictObject({ psbt: z.base64().max(BASE64_MAX) })

/**
 * The way of co-signers: what waits for their signatures is read here and brought back here. A
 * signature proves itself, and a token only says who brought it.
 */
export function addPsbtRoutes(api: Api, parts: ApiParts): void {
  const { db, clock } = parts
  // Asked before the body is read: nobody else makes us read five megabytes.
  const preParsing = requireScope(parts, 'read')
  const shared = { tags: ['treasury'], security: [{ bearer: [] }], params: contract.numberParams }
  const response = { 200: psbtReply, default: contract.problem }
  api.get(
    '/treasury/batches/:number/psbt',
    {
      preParsing,
      schema: { ...shared, summary: 'The version of a batch that waits for co-signers', response },
    },
    async ({ params: { number } }) => {
      const version = await versionToSign(db, batchId(BigInt(number)))
      if (version === null) throw new Problem('unknown-resource', NOTHING_WAITS)
      return psbtJson(number, version)
    },
  )
  api.post(
    '/treasury/batches/:number/psbt',
    {
      preParsing,
      bodyLimit: BODY_BYTES_MAX,
      schema: { ...shared, summary: 'Bring a signed PSBT', body: psbtBody, response },
    },
    async request => {
      const { number } = request.params
      const psbt = new Uint8Array(Buffer.from(request.body.psbt, 'base64'))
      const { alias } = bearerIn(request)
      const given = { batch: batchId(BigInt(number)), psbt, alias }
      const outcome = await addSignatures(db, given, clock.now())
      switch (outcome.kind) {
        case 'taken':
          return psbtJson(number, outcome.version)
        case 'nothing to sign':
          throw new Problem('unknown-resource', NOTHING_WAITS)
        case 'refused':
          throw new Problem('bad-psbt', outcome.reason)
        default:
          return unreachable(outcome)
      }
    },
  )
}

function psbtJson(batch: string, { version, txid, signatures, psbt }: VersionToSign) {
  return { batch, version, txid, signatures, psbt: Buffer.from(psbt).toString('base64') }
}
