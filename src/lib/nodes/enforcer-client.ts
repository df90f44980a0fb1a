import type { z } from 'zod'
import { type BlockHash, type Txid, txid } from '../ids.ts'
import type { Sats } from '../money.ts'
import type { ThunderAddress } from '../thunder/address.ts'
import type {
  BundleProposal,
  ChainInfo,
  Ctip,
  EnforcerBalance,
  MainHeader,
  PegBlock,
  Sidechain,
} from './enforcer-replies.ts'
import * as replies from './enforcer-replies.ts'
import { parseJson } from './json-rpc-client.ts'
import { NodeUnreachable, type PostReply, postJson } from './post-client.ts'

/** Where an enforcer of BIP 300 and 301 is. */
export type EnforcerAccess = {
  readonly grpcUrl: string
  /** The whole header, where one is asked for; never log it. */
  readonly authorization?: string | undefined
}

/** The enforcer's own refusal, by a code which says that it did nothing. */
export class EnforcerError extends Error {
  override readonly name = 'EnforcerError'
  /** As Connect writes it, for example `failed_precondition`. */
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** What became of a deposit by the enforcer's own wallet. */
export type DepositOutcome =
  | { readonly kind: 'sent'; readonly txid: Txid }
  /** Nothing was made. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It may be on its way, by this id where it is known. */
  | { readonly kind: 'unknown'; readonly txid: Txid | null; readonly reason: string }

/**
 * What the pool asks an enforcer, each reply parsed. All throw EnforcerError where it refuses, and
 * NodeUnreachable where it gives no answer, one that makes no sense, or a failure of its own:
 * whether it was done is then unknown.
 */
export type EnforcerClient = {
  readonly chainTip: () => Promise<MainHeader>
  readonly chainInfo: () => Promise<ChainInfo>
  /** Null before the first deposit of the slot. */
  readonly ctip: (slot: number) => Promise<Ctip | null>
  readonly sidechains: () => Promise<readonly Sidechain[]>
  /**
   * A main block and so many before it, newest first; none where it is unknown or was rejected.
   * Orphaned blocks are answered like any other: compare with the tip's ancestors.
   */
  readonly blockInfo: (
    hash: BlockHash,
    slot: number,
    ancestors: number,
  ) => Promise<readonly PegBlock[]>
  /** The H* that a main block carries, orphaned blocks too. */
  readonly bmmCommitment: (
    hash: BlockHash,
    slot: number,
  ) => Promise<
    | { readonly kind: 'block'; readonly commitment: string | null }
    | { readonly kind: 'unknown block' }
  >
  readonly bundles: (slot: number) => Promise<readonly BundleProposal[]>
  /** Of its own wallet, as the next two. */
  readonly balance: () => Promise<EnforcerBalance>
  readonly newAddress: () => Promise<string>
  /** Throws nothing: whoever moves money must think about each outcome. */
  readonly createDeposit: (deposit: {
    readonly slot: number
    /** Bare: the enforcer takes any text, and a wrong one loses the coins. */
    readonly address: ThunderAddress
    readonly value: Sats
    /** Of the transaction, not a rate. */
    readonly fee: Sats
  }) => Promise<DepositOutcome>
}

const CALL_TIMEOUT_MS = 30_000
const HTTP_OK = 200
/** Codes that prove that nothing was done. Source: the Connect protocol, error codes. */
const REFUSALS: readonly string[] = [
  'invalid_argument',
  'failed_precondition',
  'unimplemented',
  'not_found',
  'out_of_range',
  'permission_denied',
  'unauthenticated',
]
/** The enforcer says so of a deposit that it signed and that a node would not take. */
const NOT_BROADCAST = /broadcast deposit transaction failed: ([0-9a-f]{64})$/

/** The typed calls over unary Connect with JSON. Source: the enforcer's proto/cusf/mainchain/v1. */
export function enforcerClient(access: EnforcerAccess): EnforcerClient {
  async function call<T>(reply: z.ZodType<T>, method: string, request: object): Promise<T> {
    const answer = await post(access, method, request)
    const parsed = reply.safeParse(parseJson(answer.body))
    if (answer.statusCode === HTTP_OK && parsed.success) return parsed.data
    throw failure(method, answer)
  }
  const validator = <T>(reply: z.ZodType<T>, method: string, request: object = {}) =>
    call(reply, `ValidatorService/${method}`, request)
  const wallet = <T>(reply: z.ZodType<T>, method: string, request: object = {}) =>
    call(reply, `WalletService/${method}`, request)
  return {
    chainTip: () => validator(replies.chainTipReply, 'GetChainTip'),
    chainInfo: () => validator(replies.chainInfoReply, 'GetChainInfo'),
    ctip: slot => validator(replies.ctipReply, 'GetCtip', { sidechain_number: slot }),
    sidechains: () => validator(replies.sidechainsReply, 'GetSidechains'),
    blockInfo: (hash, slot, ancestors) =>
      validator(replies.blockInfoReply, 'GetBlockInfo', {
        ...{ block_hash: { hex: hash }, sidechain_id: slot, max_ancestors: ancestors },
      }),
    bmmCommitment: (hash, slot) =>
      validator(replies.bmmCommitmentReply, 'GetBmmHStarCommitment', {
        ...{ block_hash: { hex: hash }, sidechain_id: slot },
      }),
    bundles: slot =>
      validator(replies.bundlesReply, 'GetWithdrawalBundleProposals', { sidechain_id: slot }),
    balance: () => wallet(replies.balanceReply, 'GetBalance'),
    newAddress: () => wallet(replies.addressReply, 'CreateNewAddress'),
    async createDeposit({ slot, address, value, fee }) {
      const request = {
        ...{ sidechain_id: slot, address },
        ...{ value_sats: Number(value), fee_sats: Number(fee) },
      }
      try {
        const sent = await wallet(replies.txidReply, 'CreateDepositTransaction', request)
        return { kind: 'sent', txid: sent }
      } catch (error) {
        return depositFailure(error)
      }
    },
  }
}

function depositFailure(error: unknown): DepositOutcome {
  if (error instanceof EnforcerError) return { kind: 'refused', reason: error.message }
  if (!(error instanceof NodeUnreachable)) throw error
  const [, id] = NOT_BROADCAST.exec(error.message) ?? []
  return { kind: 'unknown', txid: id === undefined ? null : txid(id), reason: error.message }
}

function post({ grpcUrl, authorization }: EnforcerAccess, method: string, request: object) {
  const url = new URL(`/cusf.mainchain.v1.${method}`, grpcUrl)
  const headers = authorization === undefined ? {} : { authorization }
  return postJson(url, headers, JSON.stringify(request), { timeoutMs: CALL_TIMEOUT_MS })
}

function failure(method: string, { statusCode, body }: PostReply): Error {
  if (statusCode === HTTP_OK) return new NodeUnreachable(`${method}: a reply that makes no sense`)
  const parsed = replies.errorReply.safeParse(parseJson(body))
  if (!parsed.success) return new NodeUnreachable(`${method}: HTTP ${statusCode}`)
  const { code, message } = parsed.data
  if (REFUSALS.includes(code)) return new EnforcerError(code, message)
  return new NodeUnreachable(`${method}: ${code}: ${message}`)
}
