import { authenticatedLndGrpc } from 'lightning/lnd_grpc/index.js'
import { z } from 'zod'
import { NodeUnreachable } from './post-client.ts'

/** Where an lnd is, and what it lets us do there. */
export type LndAccess = {
  /** `host:port` of its gRPC. */
  readonly socket: string
  /** Its `tls.cert`, as the file has it. */
  readonly cert: Uint8Array
  /** As the file has it; never log it. */
  readonly macaroon: Uint8Array
}

/** What lnd said in place of a reply. It proves nothing about a payment. */
export class LndError extends Error {
  override readonly name = 'LndError'
  /** Of gRPC, for example 5 for "not found". */
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** The parts of lnd that are asked here, by the names of the package `lightning`. */
export type LndService = 'default' | 'invoices' | 'router' | 'signer'

/** A method with its request, in lnd's own words. */
export type LndCall = {
  readonly service: LndService
  readonly method: string
  readonly request: object
  /** From the call to the last message that is waited for; no call is without. */
  readonly timeoutMs: number
}

/**
 * Calls with a deadline each, which the package does not set. All throw LndError where lnd refuses,
 * and NodeUnreachable where there is no answer in time, or none that makes sense: what was asked may
 * have been done.
 */
export type LndConnection = {
  readonly call: <T>(reply: z.ZodType<T>, call: LndCall) => Promise<T>
  /** The messages of a stream; whoever stops reading ends the call. */
  readonly watch: <T>(message: z.ZodType<T>, call: LndCall) => AsyncGenerator<T, void, void>
  readonly close: () => void
}

/** Codes of gRPC that are no words of lnd: cancelled, deadline exceeded, unavailable. */
const NO_ANSWER: readonly number[] = [1, 4, 14]

const grpcError = z.object({ code: z.int(), details: z.string() })

/** What the package makes of the protocol's files, each method by its name. */
type Service = Readonly<Record<string, (...args: readonly unknown[]) => Call>> & {
  readonly close: () => void
}
type Call = AsyncIterable<unknown> & { readonly cancel: () => void }

/** Connects when the first call is made, and anew after lnd was away. Reads the protocol: slow. */
export function connectLnd({ socket, cert, macaroon }: LndAccess): LndConnection {
  const { lnd } = authenticatedLndGrpc({
    ...{ socket, cert: base64(cert), macaroon: base64(macaroon) },
  })
  const services: Readonly<Record<LndService, Service>> = lnd
  const all: readonly Service[] = Object.values(lnd)
  return {
    async call(reply, { service, method, request, timeoutMs }) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      const call = start(services[service], method, request, (error: unknown, value: unknown) =>
        error ? reject(error) : resolve(value),
      )
      const patience = endAfter(call, timeoutMs)
      try {
        return parsed(reply, method, await promise)
      } catch (error) {
        throw failure(method, error)
      } finally {
        patience.end()
      }
    },
    async *watch(message, { service, method, request, timeoutMs }) {
      const call = start(services[service], method, request)
      const patience = endAfter(call, timeoutMs)
      try {
        for await (const each of call) yield parsed(message, method, each)
      } catch (error) {
        throw failure(method, error)
      } finally {
        patience.end()
        call.cancel()
      }
    },
    close: () => {
      for (const service of all) service.close()
    },
  }
}

function start(service: Service, method: string, ...args: readonly unknown[]): Call {
  const found = service[method]
  if (found === undefined) throw new Error(`lnd has no method ${method}`)
  return found.apply(service, [...args])
}

/** A peer that takes the connection and says nothing would be waited for without end. */
function endAfter(call: Call, timeoutMs: number) {
  const timer = setTimeout(() => call.cancel(), timeoutMs)
  return { end: () => clearTimeout(timer) }
}

function parsed<T>(reply: z.ZodType<T>, method: string, value: unknown): T {
  const outcome = reply.safeParse(value)
  if (outcome.success) return outcome.data
  throw new NodeUnreachable(`${method}: a reply that makes no sense`)
}

function failure(method: string, error: unknown): unknown {
  const said = grpcError.safeParse(error)
  if (!said.success) return error
  const { code, details } = said.data
  const text = `${method}: ${details} (${code})`
  return NO_ANSWER.includes(code) ? new NodeUnreachable(text) : new LndError(code, text)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
