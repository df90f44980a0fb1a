import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { parseOperatorKey } from '../../approval/index.ts'
import { unreachable } from '../../lib/assert.ts'
import { fromHex } from '../../lib/bytes.ts'
import type { Proof } from '../../payouts/index.ts'
import { addressSubject, countFailure, lockedUntil } from '../../treasury/index.ts'
import { Problem } from '../errors.ts'
import type { settingsBody } from '../payout-contract.ts'
import type { ApiParts } from '../rooms.ts'

/** A signature costs far more to check than to send: so many of one address are checked a minute. */
const PROOFS_PER_MINUTE_MAX = 10
export const PROOF_RATE = {
  rateLimit: { max: PROOFS_PER_MINUTE_MAX, timeWindow: '1 minute' },
} as const

/** @throws Problem `locked-out` where this address gave too many wrong proofs */
export async function requireUnlocked({ db, clock }: ApiParts, request: FastifyRequest) {
  const until = await lockedUntil(db, [addressSubject(request.ip)], clock.now())
  if (until !== null) throw new Problem('locked-out')
}

/** Counts a wrong proof of this address, and says what is wrong with it. */
export async function badProof(
  { db, clock }: ApiParts,
  request: FastifyRequest,
  reason: string,
): Promise<Problem> {
  await countFailure(db, addressSubject(request.ip), clock.now())
  return new Problem('bad-proof', reason)
}

/** @throws Problem `unknown-operator` where the key is no point of the curve */
export function proofOf(proof: z.infer<typeof settingsBody>['proof']): Proof {
  switch (proof.kind) {
    case 'signature':
      return proof
    case 'thunder': {
      const [publicKey, signature] = [fromHex(proof.publicKey), fromHex(proof.signature)]
      return { kind: 'thunder', publicKey, signature }
    }
    case 'operator': {
      const operator = parseOperatorKey(proof.operatorKey)
      if (operator === null) throw new Problem('unknown-operator')
      return { ...proof, operator, signature: fromHex(proof.signature) }
    }
    default:
      return unreachable(proof)
  }
}
