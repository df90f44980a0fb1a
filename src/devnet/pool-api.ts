import { z } from 'zod'
import { signAct } from '../approval/index.ts'
import { toHex } from '../lib/bytes.ts'
import { digest } from '../lib/ids.ts'

/** A pool's HTTP interface as one of its users has it. */
export type PoolApi = {
  /** JSON of a path under `/api/v1`; null while the pool does not answer with success. */
  readonly get: (path: string) => Promise<unknown>
  readonly post: (path: string, body: object) => Promise<unknown>
}

/** @param token opens the treasury's pages; null for what is open to everyone */
export function poolApi(url: string, token: string | null): PoolApi {
  const ask = async (path: string, request: RequestInit): Promise<unknown> => {
    const bearer = token === null ? {} : { authorization: `Bearer ${token}` }
    const headers = { ...bearer, 'content-type': 'application/json' }
    const response = await fetch(`${url}/api/v1${path}`, { ...request, headers }).catch(() => null)
    return response?.ok ? response.json() : null
  }
  return {
    get: path => ask(path, { method: 'GET' }),
    post: (path, body) => ask(path, { method: 'POST', body: JSON.stringify(body) }),
  }
}

const batches = z.object({
  items: z.array(
    z.object({
      batch: z.string(),
      rail: z.string(),
      purpose: z.string(),
      state: z.string(),
      manifestHash: z.string(),
      totalSats: z.string(),
    }),
  ),
})
export type WaitingBatch = z.infer<typeof batches>['items'][number]

const act = z.object({ state: z.string() })

/** Approves every batch that waits, as operators who have looked at it. @returns those */
export async function approveWaiting(
  api: PoolApi,
  ...operatorSecrets: readonly Uint8Array[]
): Promise<readonly WaitingBatch[]> {
  const list = batches.safeParse(await api.get('/treasury/batches'))
  const approved: WaitingBatch[] = []
  for (const batch of list.success ? list.data.items : []) {
    if (batch.state !== 'planned') continue
    for (const secret of operatorSecrets) {
      const answer = act.safeParse(await approve(api, batch, secret))
      if (answer.success && answer.data.state === 'approved') approved.push(batch)
    }
  }
  return approved
}

function approve(
  api: PoolApi,
  { batch, manifestHash }: WaitingBatch,
  secret: Uint8Array,
): Promise<unknown> {
  const { operator, signature } = signAct(secret, { kind: 'approve' }, digest(manifestHash))
  const approval = { operatorKey: operator, manifestHash, signature: toHex(signature) }
  return api.post(`/treasury/batches/${batch}/approve`, approval)
}
