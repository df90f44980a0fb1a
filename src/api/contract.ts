import { z } from 'zod'
import { isPlainReason, PURPOSES } from '../approval/index.ts'
import { MAX_MONEY_SATS } from '../lib/money.ts'

/**
 * Every request and reply of the HTTP interface. Amounts and work are decimal strings with their
 * unit in the key, since JSON numbers lose what is above 2^53; heights, counts and times (Unix
 * milliseconds) are numbers. Whoever reads the OpenAPI page reads this file.
 */
export const LIST_MAX = 100
const LIST_DEFAULT = 25

export const whole = z.string().regex(/^(0|[1-9]\d*)$/)
export const hash = z.string().regex(/^[0-9a-f]{64}$/)
export const millis = z.int().min(0)
export const height = z.int().min(0)
const count = z.int().min(0)
export const rowNumber = z.string().regex(/^[1-9]\d{0,17}$/, 'a whole number from 1')
export const decimalHashes = whole.describe('expected hashes')

/** A reply that is a list: `nextCursor` asks for what follows, null means that this was all. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item).max(LIST_MAX), nextCursor: z.string().nullable() })
}

export const listQuery = z.strictObject({
  cursor: z.string().min(1).optional(),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, `a whole number from 1 to ${LIST_MAX}`)
    .refine(text => Number(text) <= LIST_MAX, `at most ${LIST_MAX}`)
    .default(String(LIST_DEFAULT)),
})

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})

export const hashrate = z.object({
  hashesPerSecond: decimalHashes,
  overMs: millis,
})

export const statsReply = z.object({
  name: z.string(),
  network: z.enum(['mainnet', 'testnet4', 'signet', 'regtest']),
  height: height.nullable(),
  hashrate: hashrate.nullable(),
  miners: count,
  workers: count,
  openEpoch: whole.nullable(),
  lastBlock: z.object({ hash, height, foundMs: millis }).nullable(),
})

const interval = z.object({
  height,
  shares: whole,
  work: decimalHashes,
  durationMs: millis.nullable(),
  hashesPerSecond: decimalHashes.nullable(),
})
export const hashrateReply = listOf(interval)

const bid = z.object({
  slot: count.max(255).describe('number of the sidechain'),
  sideBlock: hash.describe('in the order of its bytes'),
  requestTxid: hash.nullable().describe('the M8; null where nobody bid'),
  feeSats: whole,
  fate: z
    .enum(['submitted', 'found', 'orphaned', 'mature'])
    .describe('of its block: the fee is earned when that is mature'),
  own: z
    .enum(['waiting', 'connected'])
    .nullable()
    .describe('a side block of our own node, and whether that has connected it'),
})
const block = z.object({
  hash,
  height,
  epoch: whole,
  scheme: z.string(),
  finder: z.string().nullable().describe('payee; null where the finder is unknown'),
  valueSats: whole.describe('what its coinbase pays the pool'),
  paidInCoinbaseSats: whole.nullable().describe('what it paid its finder; null where nothing'),
  foundMs: millis,
  recovered: z.boolean(),
  fate: z.enum(['submitted', 'found', 'orphaned', 'mature']),
  reward: whole.nullable().describe('number of its reward statement'),
  bids: z.array(bid).describe('side blocks that it accepted; none until it was read'),
})
export const blocksReply = listOf(block)

const intervalOfScheme = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('blocks'), blocks: count }),
  z.object({ kind: z.literal('minutes'), minutes: count }),
])
export const schemesReply = z.object({
  items: z.array(
    z.object({
      name: z.string(),
      ports: z.array(z.int()),
      tlsPorts: z.array(z.int()).describe('Stratum over TLS'),
      rewardPool: z.string(),
      method: z.string(),
      coinbase: z.enum(['pool', 'finder']).describe('whom the coinbases of its blocks pay'),
      interval: intervalOfScheme,
      rails: z.array(z.string()),
      minimumSats: whole,
      feeBasisPoints: count,
      feePaidBy: z.enum(['pool', 'payees']).describe('who bears the network fee of a payout'),
      difficultyLog2: z.object({ start: z.int(), minimum: z.int(), maximum: z.int() }),
    }),
  ),
})

export const difficultyReply = z.object({
  epoch: whole,
  blockTarget: hash.describe('a block’s hash is at most this'),
  work: decimalHashes.describe('expected hashes of one block'),
  subsidySats: whole,
})

const epoch = z.object({
  epoch: whole,
  openedMs: millis,
  closedMs: millis.nullable(),
  closeReason: z.enum(['time', 'block', 'target', 'subsidy']).nullable(),
  blockTarget: hash,
  subsidySats: whole,
  statementHash: hash.nullable(),
})
export const epochsReply = listOf(epoch)
export const numberParams = z.strictObject({ number: rowNumber })
export const statementQuery = z.strictObject({ format: z.enum(['json', 'bytes']).default('json') })
export const statementReply = z.object({
  hash: hash.describe('SHA-256 of the canonical bytes, which ?format=bytes gives'),
  previousHash: hash.nullable(),
  createdMs: millis,
  statement: z.record(z.string(), z.json()),
})

/** How far a payout and its batch are. */
export const state = z.enum([
  'planned',
  'approved',
  'prepared',
  'sent',
  'uncertain',
  'settled',
  'released',
])

const batchShape = {
  batch: whole,
  rail: z.string(),
  purpose: z.enum(PURPOSES),
  state,
  manifestHash: hash,
  totalSats: whole,
  feeMaxSats: whole,
  createdMs: millis,
  expiresMs: millis,
  endedMs: millis.nullable(),
  note: z.string(),
  approvedBy: z.array(z.string()).describe('aliases; pool is its own key'),
  approvalsNeeded: z.int().describe('of people, by the rules of now'),
}
export const batchesReply = listOf(z.object(batchShape))
export const batchReply = z.object({
  ...batchShape,
  heldBack: z.string().describe('why the rules let it not be signed now; empty where they do'),
  manifest: z.record(z.string(), z.json()),
  versions: z.array(
    z.object({
      version: z.int(),
      txid: hash,
      feeSats: whole,
      signed: z.boolean(),
      createdMs: millis,
    }),
  ),
  acts: z.array(
    z.object({
      operatorKey: hash,
      alias: z.string(),
      act: z.enum(['approve', 'reject']),
      reason: z.string(),
      signature: z.string(),
      givenMs: millis,
    }),
  ),
})
const signed = {
  operatorKey: hash.describe('x-only public key (BIP 340)'),
  manifestHash: hash,
  signature: z
    .string()
    .regex(/^[0-9a-f]{128}$/)
    .describe('BIP 340, over the act’s tagged hash'),
}
export const approveBody = z.strictObject(signed)
export const rejectBody = z.strictObject({
  ...signed,
  reason: z.string().refine(isPlainReason, 'plain words, at most 500 characters'),
})
export const actReply = z.object({ batch: whole, state: z.enum(['waits', 'approved', 'rejected']) })
export const auditReply = z.object({
  ok: z.boolean(),
  entries: whole,
  checkedAfter: whole.describe('the place of the chain behind which this look checked it'),
  head: hash.nullable().describe('the hash of the newest chained entry'),
  complaints: z.array(z.string()),
})

export const floatsReply = z.object({
  items: z.array(
    z.object({
      rail: z.string(),
      wallet: z.enum(['hot', 'cold']),
      ledgerMsat: whole,
      chainSats: whole.describe('coins of ours that are unspent, in the mempool too'),
      reservedSats: whole.describe('those of them that batches hold'),
      onTheWaySats: z
        .string()
        .regex(/^-?\d+$/)
        .describe('what is on its way adds to the coins, so that both make the ledger'),
      foreignSats: whole.describe('pushed in by strangers: never spent, never counted'),
      foreignCoins: z.array(z.object({ txid: hash, vout: z.number(), valueSats: whole })),
      checkedMs: millis,
      finding: z.string().nullable().describe('what differs; null where all agrees'),
    }),
  ),
  moves: z
    .array(
      z.object({
        bridge: z.string(),
        batch: whole,
        amountSats: whole,
        state: z.enum(['transit', 'credited']),
        outpoint: z
          .string()
          .describe('the coin of the main chain by which the other rail knows it'),
        changedMs: millis,
      }),
    )
    .describe('moves to other rails that the main chain has for good, newest first'),
  withdrawals: z
    .array(
      z.object({
        bridge: z.string(),
        batch: whole,
        amountSats: whole,
        mainFeeSats: whole.describe('what the main chain’s miners get when it is paid'),
        mainAddress: z.string().describe('of our hot wallet, where it is to arrive'),
        state: z.enum(['queued', 'bundled', 'voting', 'paid', 'arrived', 'final']),
        m6id: hash.nullable().describe('the bundle that was voted on last, as Thunder writes it'),
        bundles: count.describe('how many bundles there were: all but the last came to nothing'),
        votes: z.object({ count, above: count }).nullable().describe('an enforcer’s count'),
        outpoint: z.string().nullable().describe('its coin on the main chain'),
        nextStep: z.string(),
        changedMs: millis,
      }),
    )
    .describe('what comes back from other rails, newest first'),
})

const wallet = z.enum(['hot', 'cold'])
export const consolidateBody = z.strictObject({ wallet })
export const transferBody = z.strictObject({
  from: wallet,
  amountSats: z
    .string()
    // What is no number ends here, since the next check would throw over it.
    .regex(/^[1-9]\d{0,15}$/, { abort: true })
    .refine(text => BigInt(text) <= MAX_MONEY_SATS, 'more than all bitcoin')
    .describe('what arrives in the other wallet; the fee comes on top'),
})
export const depositBody = transferBody.describe('amountSats is what is credited on Thunder')
export const channelBody = transferBody.describe(
  'amountSats is what arrives in the wallet of our lnd; the channel is smaller by its own fee',
)
export const withdrawBody = transferBody
  .pick({ amountSats: true })
  .describe('amountSats is what arrives on the main chain, 3 to 6 months later by its rules')
export const emptyBody = z.strictObject({})
export const ownPlannedReply = z.object({
  batch: whole.nullable().describe('waits for approvals now; null where none was planned'),
  reason: z.string().nullable().describe('why none was planned'),
})

export const healthReply = z.object({
  status: z.enum(['ok', 'failing']),
  parts: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
})
