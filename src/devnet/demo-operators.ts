import { z } from 'zod'
import { operatorKeyOf } from '../approval/index.ts'
import { toHex } from '../lib/bytes.ts'
import { digest, unixMs } from '../lib/ids.ts'
import type { Random } from '../lib/random.ts'
import type { Clock } from '../lib/time.ts'
import { type OperatorChange, signLogin, signOperatorAct, tokenDigest } from '../treasury/index.ts'
import { type PoolApi, poolApi } from './pool-api.ts'

/** Longer than any demo runs. */
const DAY_MS = 24 * 3_600_000
const APPROVERS = ['alice', 'bob']

/** Two people who approve, each with a key of their own, and the API as one of them sees it. */
export type DemoOperators = {
  readonly secrets: readonly Uint8Array[]
  readonly api: PoolApi
}

/**
 * Goes the way of a new pool: an admin joins by the console's token and adds two approvers, one of
 * whom logs in. Keys are made here and forgotten with the process.
 *
 * @param invitation what `treasury first-admin` printed
 */
export async function joinOperators(
  url: string,
  invitation: string,
  { random, clock }: { readonly random: Random; readonly clock: Clock },
): Promise<DemoOperators> {
  const api = poolApi(url, null)
  const admin = random.bytes(32)
  const secrets = APPROVERS.map(() => random.bytes(32))
  const notAfter = clock.now() + DAY_MS
  const first: OperatorChange = {
    ...{ kind: 'first admin', alias: 'admin', key: operatorKeyOf(admin), notAfter },
    invitation: tokenDigest(invitation),
  }
  await change(api, clock, {
    path: 'join',
    secret: admin,
    change: first,
    more: { token: invitation },
  })
  for (const [index, secret] of secrets.entries()) {
    const added: OperatorChange = {
      ...{ kind: 'add operator', alias: APPROVERS[index] ?? '', roles: ['approver'] },
      ...{ key: operatorKeyOf(secret), notAfter },
    }
    await change(api, clock, { path: 'operators', secret: admin, change: added, more: {} })
  }
  const [reader = admin] = secrets
  return { secrets, api: poolApi(url, await login(api, reader, { random, clock })) }
}

const heads = z.object({ network: z.string(), head: z.string() })

async function change(
  api: PoolApi,
  clock: Clock,
  given: {
    readonly path: string
    readonly secret: Uint8Array
    readonly change: OperatorChange
    readonly more: object
  },
): Promise<void> {
  const { network, head } = heads.parse(await api.get('/treasury/join'))
  const previous = digest(head)
  const words = { network, previous, at: clock.now(), change: given.change }
  const { act, signature } = signOperatorAct(given.secret, words)
  const body = { operatorKey: act.by, atMs: act.at, previous, change: given.change }
  const signed = { ...body, signature: toHex(signature), ...given.more }
  if ((await api.post(`/treasury/${given.path}`, signed)) === null)
    throw new Error(`the pool did not take the change: ${given.change.kind}`)
}

async function login(
  api: PoolApi,
  secret: Uint8Array,
  { random, clock }: { readonly random: Random; readonly clock: Clock },
): Promise<string> {
  const { network } = heads.parse(await api.get('/treasury/join'))
  const token = toHex(random.bytes(32))
  const scopes = ['read'] as const
  const { login, signature } = signLogin(secret, {
    ...{ network, digest: digest(tokenDigest(token)), scopes, at: clock.now() },
    expiresAt: unixMs(clock.now() + DAY_MS / 2),
  })
  const body = {
    ...{ operatorKey: login.by, digest: login.digest, scopes, atMs: login.at },
    ...{ expiresMs: login.expiresAt, signature: toHex(signature) },
  }
  if ((await api.post('/treasury/tokens', body)) === null) throw new Error('the pool gave no token')
  return token
}
