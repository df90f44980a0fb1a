import { z } from 'zod'
import { LndError } from '../lib/nodes/lnd-grpc-client.ts'
import { NodeUnreachable } from '../lib/nodes/post-client.ts'
import { RpcError } from '../lib/nodes/rpc-error.ts'
import { ThunderError } from '../lib/nodes/thunder-client.ts'

const TROUBLE = [RpcError, NodeUnreachable, ThunderError, LndError, z.ZodError]

/** Whether a failure is a node's, so that asking again later is all there is to do. */
export function isNodeTrouble(error: unknown): error is Error {
  return TROUBLE.some(kind => error instanceof kind)
}

/** Node trouble is an answer: nothing is known, and the same step comes again. */
export async function orReason<T>(
  answer: (reason: string) => T,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isNodeTrouble(error)) return answer(`${error.name}: ${error.message}`)
    throw error
  }
}

/** The same for a step that then waits. */
export function orWaits<T>(work: () => Promise<T>) {
  return orReason<T | { readonly kind: 'waits'; readonly reason: string }>(
    reason => ({ kind: 'waits', reason }),
    work,
  )
}

/** The same for a question that then has no answer. */
export function orUnknown<T>(work: () => Promise<T>) {
  return orReason<T | { readonly kind: 'unknown'; readonly reason: string }>(
    reason => ({ kind: 'unknown', reason }),
    work,
  )
}
