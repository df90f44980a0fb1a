import type { Act } from '../../src/approval/index.ts'
import { unreachable } from '../../src/lib/assert.ts'
import type { BatchState } from '../../src/lib/db/schema.ts'
import { type BatchId, batchId } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { Phase } from './boundary.ts'
import type { Stage } from './stage.ts'
import type { Miner } from './stage-world.ts'

/** One miner who is to be paid on a stage. */
export type Played = { readonly stage: Stage; readonly miner: Miner }

/** What the world does while a process is struck in one of its phases, and how that ends. */
export type Play = {
  /** Whose traffic is watched, and who is struck. */
  readonly victim: 'payouts' | 'api'
  /** How the batch comes to where the phase begins; absent where it begins with nothing. */
  readonly reach?: {
    readonly nudge: (played: Played) => Promise<void>
    readonly isThere: (played: Played) => Promise<boolean>
    readonly there?: (played: Played) => Promise<void>
  }
  /** What happens again and again until the blow, and after it. */
  readonly before: (played: Played) => Promise<void>
  readonly after: (played: Played) => Promise<void>
  /** The miner is paid, and nothing more is to be expected. */
  readonly isOver: (played: Played) => Promise<boolean>
  readonly end?: (played: Played) => Promise<void>
}

/** As the scene's configuration has it: blocks that a version has before a dearer one. */
const BUMP_AFTER_BLOCKS = 6
const DEARER = sats(20_000n)

export function playOf(phase: Phase): Play {
  switch (phase) {
    case 'pay':
      return {
        victim: 'payouts',
        before: payNudge,
        after: payNudge,
        isOver: isSettled,
      }
    case 'bump':
      return BUMP
    case 'watch':
      return afterSettled(async ({ stage }) => stage.unmine())
    case 'send again':
      return afterSettled(async ({ stage }) => {
        await stage.unmine()
        await stage.scene.forgetMempool()
      })
    case 'approve':
      return decided({ kind: 'approve' })
    case 'reject':
      return decided({ kind: 'reject', reason: 'not today' })
    default:
      return unreachable(phase)
  }
}

const payNudge = async ({ stage, miner }: Played) => {
  await stage.approve()
  if ((await batchFor(stage, miner))?.state === 'sent') await stage.mine()
}

const isSettled = async ({ stage, miner }: Played) =>
  (await batchFor(stage, miner))?.state === 'settled'

/** Nothing is mined until the dearer version has been signed: the first one would confirm. */
const BUMP: Play = {
  victim: 'payouts',
  reach: {
    nudge: ({ stage }) => stage.approve(),
    isThere: async ({ stage, miner }) => (await batchFor(stage, miner))?.state === 'sent',
    there: async ({ stage }) => {
      stage.estimate(DEARER)
      await stage.mineEmpty(BUMP_AFTER_BLOCKS)
    },
  },
  before: async () => {},
  after: async played => {
    if ((await signedVersions(played)) > 1) await payNudge(played)
  },
  isOver: isSettled,
  end: async ({ stage }) => stage.estimate(null),
}

/** A settled payment that is taken back; it is over when a block has it again. */
function afterSettled(takeBack: (played: Played) => Promise<void>): Play {
  return {
    victim: 'payouts',
    reach: { nudge: payNudge, isThere: isSettled, there: takeBack },
    before: async ({ stage }) => stage.mine(),
    after: async ({ stage }) => stage.mine(),
    isOver: async ({ stage, miner }) => {
      const found = await stage.scene.devnet.call('scantxoutset', 'start', [
        `addr(${miner.address})`,
      ])
      return JSON.stringify(found).includes('"unspents":[{')
    },
  }
}

/** What was rejected is owed again, and the operator approves the next batch. */
function decided(act: Act): Play {
  const batches = new Map<string, BatchId>()
  const given = new Set<BatchId>()
  const ask = async ({ stage, miner }: Played) => {
    const batch = batches.get(miner.address)
    if (batch !== undefined && !given.has(batch) && (await stage.say(batch, act))) given.add(batch)
  }
  return {
    victim: 'api',
    reach: {
      nudge: async () => {},
      isThere: async ({ stage, miner }) => {
        const batch = await batchFor(stage, miner)
        if (batch?.state !== 'planned') return false
        batches.set(miner.address, batch.id)
        return true
      },
      there: async ({ stage }) => stage.api.isThere(),
    },
    before: ask,
    after: async played => {
      await ask(played)
      const batch = batches.get(played.miner.address)
      if (batch !== undefined && given.has(batch)) await payNudge(played)
    },
    isOver: isSettled,
  }
}

/** The newest batch that pays a miner. */
async function batchFor(
  { db }: Stage,
  { account }: Miner,
): Promise<{ readonly id: BatchId; readonly state: BatchState } | null> {
  const row = await db
    .selectFrom('payouts')
    .innerJoin('batches', 'batches.id', 'payouts.batch_id')
    .select(['batches.id', 'batches.state'])
    .where('account_id', '=', account)
    .orderBy('batches.id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { id: batchId(row.id), state: row.state } : null
}

async function signedVersions({ stage, miner }: Played): Promise<number> {
  const batch = await batchFor(stage, miner)
  const rows = await stage.db
    .selectFrom('batch_versions')
    .select('version')
    .where('batch_id', '=', batch?.id ?? 0n)
    .where('raw', 'is not', null)
    .execute()
  return rows.length
}
