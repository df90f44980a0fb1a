import { z } from 'zod'
import { descriptionBytes } from '../../../bmm/index.ts'
import { parseAddress } from '../../../lib/bitcoin/address.ts'
import type { DrivechainOpcode } from '../../../lib/bitcoin/drivechain.ts'
import { fromHex, utf8 } from '../../../lib/bytes.ts'
import { blockHash } from '../../../lib/ids.ts'
import { ConnectError, type ProtoMethod, type ProtoRequest } from './connect-protocol.ts'
import type { NodeFollower } from './follow-node.ts'
import { type PegState, TEST_CONSTANTS } from './peg-state.ts'
import type { BlockProducer } from './producer.ts'
import {
  blockInfo,
  bundlesJson,
  headerInfo,
  proposalsJson,
  sidechainsJson,
  treasuryJson,
} from './proto-json.ts'
import { NOTHING_OWN } from './template.ts'
import type { EnforcerWallet, MadeDeposit, SendOutcome } from './wallet.ts'

/** What the calls stand on. */
export type ServiceParts = {
  readonly follower: NodeFollower
  readonly producer: BlockProducer
  /** Null where the enforcer runs without one: its service is not there then. */
  readonly wallet: EnforcerWallet | null
  readonly opcode: DrivechainOpcode
  /** Before a block is made or a transaction is sent. */
  readonly syncMempool: () => Promise<void>
}

/** Blocks to make in one call. */
const BLOCKS_MAX = 1000
const ANCESTORS_MAX = 10_000

/** The unary calls of the enforcer that a pool or a sidechain's node needs. */
export function enforcerServices(parts: ServiceParts): ReadonlyMap<string, ProtoMethod> {
  return new Map([
    ...validatorService(parts),
    ...producerService(parts),
    ...(parts.wallet === null ? [] : walletService(parts, parts.wallet)),
  ])
}

function validatorService({ follower }: ServiceParts): [string, ProtoMethod][] {
  const { sync, blocks } = follower
  const ancestors = (request: ProtoRequest) =>
    request.find('max_ancestors') === null
      ? 0
      : Math.min(request.u32('max_ancestors'), ANCESTORS_MAX)
  return [
    [
      'ValidatorService/GetChainInfo',
      async () => ({ network: 'NETWORK_REGTEST', bip300Constants: TEST_CONSTANTS }),
    ],
    [
      'ValidatorService/GetChainTip',
      async () => {
        const [tip] = blocks.withAncestors((await sync()).tip, 0)
        return tip === undefined ? {} : { blockHeaderInfo: headerInfo(tip) }
      },
    ],
    [
      'ValidatorService/GetCtip',
      async request => {
        const slot = request.u32('sidechain_number')
        return treasuryJson((await sync()).treasuries.get(slot))
      },
    ],
    ['ValidatorService/GetSidechains', async () => sidechainsJson(await sync())],
    ['ValidatorService/GetSidechainProposals', async () => proposalsJson(await sync())],
    [
      'ValidatorService/GetWithdrawalBundleProposals',
      async request => {
        const slot = request.u32('sidechain_id')
        return bundlesJson(await sync(), slot)
      },
    ],
    [
      // Of an orphaned block too, as if it were in the chain.
      'ValidatorService/GetBlockInfo',
      async request => {
        const [hash, slot] = [request.hex('block_hash'), request.u32('sidechain_id')]
        await sync()
        const found = blocks.withAncestors(hash, ancestors(request))
        return found.length === 0 ? {} : { infos: found.map(block => blockInfo(slot, block)) }
      },
    ],
    [
      'ValidatorService/GetBmmHStarCommitment',
      async request => {
        const [hash, slot] = [request.hex('block_hash'), request.u32('sidechain_id')]
        await sync()
        const [block, ...before] = blocks.withAncestors(hash, ancestors(request))
        if (block === undefined) return { blockNotFound: { blockHash: { hex: hash } } }
        const commitmentOf = (of: typeof block) => {
          const commitment = of.effects.commitments.get(slot)
          return commitment === undefined ? {} : { commitment: { hex: commitment } }
        }
        const ancestorCommitments = before.map(commitmentOf)
        const list = ancestorCommitments.length === 0 ? {} : { ancestorCommitments }
        return { commitment: { ...commitmentOf(block), ...list } }
      },
    ],
  ]
}

function producerService(parts: ServiceParts): [string, ProtoMethod][] {
  const { producer, follower } = parts
  const { policy } = producer
  return [
    [
      'BlockProducerService/GetBlockProducerState',
      async () => (policy.acksAll ? { ackAllProposals: true } : {}),
    ],
    [
      'BlockProducerService/SetAckAllProposals',
      async request => {
        policy.acksAll = request.find('ack_all') === true
        return {}
      },
    ],
    [
      'BlockProducerService/SubmitSidechainProposal',
      async request => {
        const proposal = { slot: request.u32('sidechain_id'), description: descriptionOf(request) }
        policy.proposals.push(proposal)
        return {}
      },
    ],
    [
      'MiningService/GenerateToAddress',
      async request => {
        const count = request.find('blocks') === null ? 1 : request.u32('blocks')
        const address = parseAddress(request.text('address'), 'regtest')
        if (address.kind !== 'address' || count < 1 || count > BLOCKS_MAX)
          throw new ConnectError('invalid_argument', 'must provide a positive number of blocks')
        const hashes: object[] = []
        for (let i = 0; i < count; i++) {
          await follower.sync()
          await parts.syncMempool()
          const outcome = await producer.mine(address.script, NOTHING_OWN)
          if (outcome.kind === 'stuck') throw miningError(outcome.text)
          hashes.push({ hex: outcome.hash })
        }
        return { blockHashes: hashes }
      },
    ],
  ]
}

/** The real one calls its own template server, and wraps what that says twice. */
function miningError(text: string): ConnectError {
  const data = `Some(RawValue(${JSON.stringify(text)}))`
  const error = `ErrorObject { code: InternalError, message: "Internal error", data: ${data} }`
  return new ConnectError('internal', `failed to fetch block template: ${text}: ${error}: ${error}`)
}

const declaration = z.object({
  v0: z.object({
    title: z.string(),
    description: z.string(),
    hash_id_1: z.object({ hex: z.string() }),
    hash_id_2: z.object({ hex: z.string() }),
  }),
})

function descriptionOf(request: ProtoRequest): Uint8Array {
  const read = declaration.safeParse(request.find('declaration'))
  if (!read.success)
    throw new ConnectError(
      'invalid_argument',
      'Missing field in message `cusf.mainchain.v1.SubmitSidechainProposalRequest`: `declaration`',
    )
  const { title, description, hash_id_1, hash_id_2 } = read.data.v0
  return descriptionBytes({
    title: utf8(title),
    text: utf8(description),
    hashId1: fromHex(hash_id_1.hex),
    hashId2: fromHex(hash_id_2.hex),
  })
}

function walletService(parts: ServiceParts, wallet: EnforcerWallet): [string, ProtoMethod][] {
  const { follower } = parts
  return [
    ['WalletService/CreateNewAddress', async () => ({ address: await wallet.newAddress() })],
    [
      'WalletService/GetBalance',
      async () => {
        const { confirmed, pending } = await wallet.balance()
        return {
          ...(confirmed === 0n ? {} : { confirmedSats: String(confirmed) }),
          ...(pending === 0n ? {} : { pendingSats: String(pending) }),
          hasSynced: true,
        }
      },
    ],
    ['WalletService/CreateDepositTransaction', request => createDeposit(parts, wallet, request)],
    [
      'WalletService/CreateBmmCriticalDataTransaction',
      async request => {
        const bid = {
          feeSats: request.u64('value_sats'),
          locktime: request.u32('height'),
          slot: request.u32('sidechain_id'),
          sideBlock: request.hex('critical_hash'),
          previousBlock: blockHash(request.hex('prev_bytes')),
        }
        const state = await follower.sync()
        refuseBid(state, bid.slot, bid.previousBlock)
        return sentReply(await wallet.bid(bid), 'BMM request')
      },
    ],
    [
      'WalletService/ListSidechainDepositTransactions',
      async () => {
        const made = await Promise.all(wallet.deposits().map(each => listed(follower, each)))
        const transactions = made.filter(each => each !== null)
        return transactions.length === 0 ? {} : { transactions }
      },
    ],
  ]
}

async function createDeposit(
  { follower, opcode }: ServiceParts,
  wallet: EnforcerWallet,
  request: ProtoRequest,
): Promise<object> {
  const slot = request.u32('sidechain_id')
  const address = request.text('address')
  if (address === '') throw new ConnectError('invalid_argument', 'address must be non-empty')
  const valueSats = request.u64('value_sats')
  if (valueSats === 0n)
    throw new ConnectError('invalid_argument', 'value_sats must be greater than zero')
  const feeSats = request.u64('fee_sats')
  const state = await follower.sync()
  if (!state.active.has(slot))
    throw new ConnectError('failed_precondition', `sidechain ${slot} is not active`)
  const treasury = state.treasuries.get(slot) ?? null
  const outcome = await wallet.deposit({ slot, opcode, treasury, address, valueSats, feeSats })
  return sentReply(outcome, 'deposit')
}

function refuseBid(state: PegState, slot: number, previous: string): void {
  if (!state.active.has(slot))
    throw new ConnectError('failed_precondition', 'sidechain is not active')
  if (previous !== state.tip)
    throw new ConnectError(
      'invalid_argument',
      `invalid prev_bytes ${previous}: expected ${state.tip}`,
    )
}

/** A transaction that the node refuses is made all the same, so the outcome is open. */
function sentReply(outcome: SendOutcome, what: string): object {
  if (outcome.kind === 'sent') return { txid: { hex: outcome.txid } }
  const text =
    outcome.kind === 'no funds'
      ? `failed to create ${what}: Insufficient funds`
      : `broadcast ${what} transaction failed: ${outcome.txid}`
  throw new ConnectError('unknown', text)
}

const verboseTransaction = z.object({
  blockhash: z.string().optional(),
  time: z.number().optional(),
})

/** Null for one that the node refused, until a block has had it all the same. */
async function listed(follower: NodeFollower, deposit: MadeDeposit): Promise<object | null> {
  const { isSent, slot, txid, raw, feeSats, valueSats } = deposit
  const known = await follower.call('getrawtransaction', txid, 1).catch(() => ({}))
  const { blockhash, time } = verboseTransaction.parse(known)
  const block = blockhash === undefined ? null : follower.blocks.find(blockhash)
  if (!isSent && blockhash === undefined) return null
  const confirmed =
    block === null || blockhash === undefined
      ? {}
      : { height: block.height, blockHash: { hex: blockhash } }
  const timestamp =
    time === undefined ? {} : { timestamp: new Date(time * 1000).toISOString().replace('.000', '') }
  return {
    sidechainNumber: slot,
    tx: {
      txid: { hex: txid },
      rawTransaction: { hex: raw },
      feeSats: String(feeSats),
      sentSats: String(valueSats),
      confirmationInfo: { ...confirmed, ...timestamp },
    },
  }
}
