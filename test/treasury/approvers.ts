import { type Act, type SignedAct, signAct } from '../../src/approval/act.ts'
import type { Operator, OperatorRole, SpendPolicy, Spent } from '../../src/approval/policy.ts'
import type { Digest } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { keyOf, NEVER, secretOf } from './people.ts'

/** @param keys numbers of keys, good for ever */
export function person(
  alias: string,
  keys: readonly number[],
  roles: readonly OperatorRole[] = ['approver'],
): Operator {
  return { alias, roles, keys: keys.map(n => ({ key: keyOf(n), notAfter: NEVER })) }
}

/** Alice has two keys; the viewer may only look, and key 9 is nobody's. */
export const PEOPLE = [
  person('alice', [1, 11]),
  person('bob', [2]),
  person('carol', [3], ['approver', 'admin']),
  person('viewer', [4], ['viewer', 'operator', 'admin']),
]

export const POOL_KEY = 7

/** One approval up to 1,000 sat, two up to 10,000, three above; no auto band and no ceiling. */
export const POLICY: SpendPolicy = {
  version: 1,
  operators: PEOPLE,
  bands: [
    { upTo: sats(1000n), approvals: 1 },
    { upTo: sats(10_000n), approvals: 2 },
    { upTo: null, approvals: 3 },
  ],
  auto: null,
  limits: { perBatch: null, perDay: null, perDestinationPerDay: null },
  allowList: null,
}

export const NOTHING_SPENT: Spent = { day: sats(0n), autoDay: sats(0n), byDestination: new Map() }

export const APPROVE: Act = { kind: 'approve' }
export const REJECT: Act = { kind: 'reject', reason: 'no' }

/** An act by the key of this number. */
export function signedBy(n: number, act: Act, manifest: Digest): SignedAct {
  return signAct(secretOf(n), act, manifest)
}
