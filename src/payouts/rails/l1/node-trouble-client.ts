import { z } from 'zod'
import { NodeUnreachable, RpcError } from '../../../lib/nodes/bitcoin-core-client.ts'

/** Whether a failure is the node's, so that asking again later is all there is to do. */
export function isNodeTrouble(error: unknown): error is Error {
  return (
    error instanceof RpcError || error instanceof NodeUnreachable || error instanceof z.ZodError
  )
}
