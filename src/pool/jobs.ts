import type { Kysely } from 'kysely'
import type { Network } from '../lib/bitcoin/network.ts'
import type { Database } from '../lib/db/schema.ts'
import type { BlockHash } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { BitcoindClient } from '../lib/nodes/bitcoind-client.ts'
import type { Job } from '../lib/queue.ts'
import type { Clock } from '../lib/time.ts'
import { judgeBlocks } from './block-store.ts'
import { type ChainNode, followChain, readNetworkTerms } from './chain-source.ts'
import type { NetworkTerms } from './epoch.ts'
import { closeEpochIfDue, openFirstEpoch } from './epoch-store.ts'
import { recoverBlocks } from './recovery-source.ts'
import { ensurePartition, keepPartitions, pruneTransactions } from './retention-store.ts'
import { type StatementContext, writeNextStatement } from './statement-store.ts'
import { readTop } from './tip-store.ts'

/** What the accounting role works with. */
export type AccountingDeps = StatementContext & {
  readonly db: Kysely<Database>
  readonly node: ChainNode & Pick<BitcoindClient, 'getBlockTemplate'>
  readonly clock: Clock
  readonly log: Log
  readonly network: Network
  /** The coinbase's output script: what marks a block as ours. */
  readonly payScript: Uint8Array
  readonly epochLengthMs: number
  readonly orphanDepth: number
  readonly retentionBlocks: number
}

/** Wake it when a block of ours is booked (channel `blocks`) or the tip moved. */
export const CLOSE_EPOCHS = 'close-epochs'
/** Wake it when the node rings that it has a new tip. */
export const FOLLOW_CHAIN = 'follow-chain'

const CLOSE_EPOCHS_MS = 1000
const FOLLOW_CHAIN_MS = 5000
const HOUSEKEEPING_MS = 60_000
/** Statements written in one run; those still missing after a long pause wait for the next. */
const STATEMENTS_PER_RUN = 100
/** Steps along the chain in one run; what is left after a long pause waits for the next. */
const STEPS_PER_RUN = 20
/** Whoever found a block books it within this; after that a crash is supposed. */
const RECOVERY_GRACE_MS = 20_000

/**
 * The accounting role's jobs. Each looks at what is due, does it and commits; run twice, late,
 * at once in two processes, or never, they change no result.
 */
export function accountingJobs(deps: AccountingDeps): readonly Job[] {
  const { db, clock, log } = deps
  const readTerms = termsByTip(deps)
  return [
    {
      name: CLOSE_EPOCHS,
      everyMs: CLOSE_EPOCHS_MS,
      run: async () => closeEpochs(deps, await readTerms()),
    },
    { name: FOLLOW_CHAIN, everyMs: FOLLOW_CHAIN_MS, run: () => follow(deps) },
    {
      name: 'keep-partitions',
      everyMs: HOUSEKEEPING_MS,
      run: async () => {
        const dropped = await keepPartitions(db, deps.retentionBlocks)
        if (dropped > 0) log.info({ dropped }, 'old shares dropped')
      },
    },
    {
      name: 'prune-templates',
      everyMs: HOUSEKEEPING_MS,
      run: async () => void (await pruneTransactions(db, clock.now())),
    },
  ]
}

async function closeEpochs(deps: AccountingDeps, terms: NetworkTerms | null): Promise<void> {
  const { db, clock, log } = deps
  const lengthMs = deps.epochLengthMs
  const outcome = await closeEpochIfDue(db, { now: clock.now(), lengthMs, terms })
  if (outcome.kind === 'none') await openFirst(deps, terms)
  if (outcome.kind === 'closed')
    log.info({ epoch: outcome.epoch.toString(), reason: outcome.reason }, 'epoch closed')
  for (let i = 0; i < STATEMENTS_PER_RUN; i++) {
    const epoch = await writeNextStatement(db, deps, clock.now())
    if (epoch === null) break
    log.info({ epoch: epoch.toString() }, 'work statement written')
  }
}

/**
 * The first epoch opens only when the chain has been looked at once and the next share has a
 * partition: from then on shares are taken, and no block of ours can be below what is followed.
 */
async function openFirst({ db, clock }: AccountingDeps, terms: NetworkTerms | null): Promise<void> {
  const top = await readTop(db)
  if (top === null || terms === null) return
  await ensurePartition(db, top.height + 1)
  await openFirstEpoch(db, terms, clock.now())
}

/** Terms change with the tip alone, so the node makes a template for us once a block. */
function termsByTip({ db, node, network, log }: AccountingDeps) {
  let known: { readonly tip: BlockHash; readonly terms: NetworkTerms } | null = null
  return async (): Promise<NetworkTerms | null> => {
    const top = await readTop(db)
    if (top === null) return null
    if (known?.tip === top.hash) return known.terms
    try {
      const terms = await readNetworkTerms(node, network)
      known = terms && { tip: top.hash, terms }
      return terms
    } catch (error) {
      // An epoch closes by time also while the node is away, so this is no reason to stop.
      log.warn({ reason: String(error) }, 'the node gave no template')
      return null
    }
  }
}

async function follow(deps: AccountingDeps): Promise<void> {
  const { db, node, clock, log, payScript, orphanDepth } = deps
  for (let i = 0; i < STEPS_PER_RUN; i++) {
    const outcome = await followChain(db, node, { network: deps.network, now: clock.now() })
    if (outcome.kind === 'waits') log.warn({ reason: outcome.reason }, 'chain not followed')
    if (outcome.kind !== 'go on') break
  }
  const options = { payScript, graceMs: RECOVERY_GRACE_MS, now: clock.now() }
  for (const block of await recoverBlocks(db, node, options))
    log.warn({ block }, 'block of ours found on the chain and booked')
  for (const { hash, height, fate } of await judgeBlocks(db, orphanDepth, clock.now()))
    log.info({ block: hash, height, fate }, 'block of ours')
}
