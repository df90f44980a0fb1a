/** The node's own refusal, with its code. Source: Bitcoin Core, rpc/protocol.h. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}
