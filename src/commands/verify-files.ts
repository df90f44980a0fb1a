import { unreachable } from '../lib/assert.ts'
import type { EpochId } from '../lib/ids.ts'
import { recomputeReward } from '../payouts/index.ts'
import {
  type Complaint,
  checkReward,
  checkRewardLink,
  checkRewardSources,
  checkWork,
  checkWorkLink,
  decodeReward,
  decodeWork,
  type HashedStatement,
  hashStatement,
  type RewardStatement,
  type WorkStatement,
} from '../statement/index.ts'

/** What a file holds, under the name by which the reader knows it. */
export type NamedBytes = { readonly name: string; readonly bytes: Uint8Array }

/** What is to be said of a file. */
export type FileVerdict = {
  readonly name: string
  /** What it is, with its hash, as far as that could be read. */
  readonly title: string
  /** The first thing wrong with it; null where all that could be checked is right. */
  readonly complaint: Complaint | null
  /** What could not be checked with the files given. */
  readonly notes: readonly string[]
}

type Work = HashedStatement<WorkStatement>
type RewardFile = HashedStatement<RewardStatement>
type Read =
  | ({ readonly kind: 'work' } & Work)
  | ({ readonly kind: 'reward' } & RewardFile)
  | { readonly kind: 'malformed'; readonly reason: string }

/** The statements at hand: of two with one number the first counts, the other is complained of. */
type Shelf = {
  readonly work: ReadonlyMap<bigint, Work>
  readonly rewards: ReadonlyMap<bigint, RewardFile>
}

/**
 * Checks statements by their bytes alone: the one spelling, their sums, the links between those
 * that are given, and each reward computed again where the work that it used is given.
 */
export function verifyFiles(files: readonly NamedBytes[]): readonly FileVerdict[] {
  const readings = files.map(({ name, bytes }) => ({ name, read: readStatement(bytes) }))
  const work = new Map<bigint, Work>()
  const rewards = new Map<bigint, RewardFile>()
  for (const { read } of readings) {
    if (read.kind === 'work' && !work.has(read.statement.epoch))
      work.set(read.statement.epoch, read)
    if (read.kind === 'reward' && !rewards.has(read.statement.number))
      rewards.set(read.statement.number, read)
  }
  return readings.map(({ name, read }) => ({ name, ...verdictOf(read, { work, rewards }) }))
}

function readStatement(bytes: Uint8Array): Read {
  const reward = decodeReward(bytes)
  if (reward.kind === 'statement') return { ...reward, kind: 'reward', hash: hashStatement(bytes) }
  const work = decodeWork(bytes)
  if (work.kind === 'statement') return { ...work, kind: 'work', hash: hashStatement(bytes) }
  // The kind is looked at first, so a complaint of anything else comes from the right reader.
  const { reason } = reward.reason.startsWith('kind:') ? work : reward
  return { kind: 'malformed', reason: reason.startsWith(':') ? 'not a JSON object' : reason }
}

function verdictOf(read: Read, shelf: Shelf): Omit<FileVerdict, 'name'> {
  switch (read.kind) {
    case 'malformed':
      return { title: 'no statement', complaint: read.reason, notes: [] }
    case 'work': {
      const title = `work statement of epoch ${read.statement.epoch}, hash ${read.hash}`
      return { title, complaint: workComplaints(read, shelf)[0] ?? null, notes: [] }
    }
    case 'reward': {
      const title = `reward statement ${read.statement.number}, hash ${read.hash}`
      const missing = missingWork(read.statement, shelf)
      const [complaint = null] = rewardComplaints(read, shelf, missing)
      const notes = missing.length === 0 ? [] : [`not computed again without ${spans(missing)}`]
      return { title, complaint, notes }
    }
    default:
      return unreachable(read)
  }
}

function workComplaints(own: Work, { work }: Shelf): readonly Complaint[] {
  const { statement } = own
  const before = work.get(statement.epoch - 1n)
  return [
    ...checkWork(statement),
    ...(before === undefined ? [] : checkWorkLink(statement, before)),
    ...twice(own, work.get(statement.epoch)),
  ]
}

function rewardComplaints(
  own: RewardFile,
  { work, rewards }: Shelf,
  missing: readonly EpochId[],
): readonly Complaint[] {
  const { statement } = own
  const before = rewards.get(statement.number - 1n)
  const mine = [
    ...checkReward(statement),
    ...(before === undefined ? [] : checkRewardLink(statement, before)),
    ...twice(own, rewards.get(statement.number)),
  ]
  if (mine.length > 0) return mine
  if (missing.length === 0) {
    const sources = checkRewardSources(statement, [...work.values()])
    return sources.length > 0 ? sources : recomputeReward(statement, runOf(statement, work))
  }
  return statement.work
    .filter(({ epoch, hash }) => (work.get(epoch)?.hash ?? hash) !== hash)
    .map(({ epoch }) => `work: epoch ${epoch} has another hash`)
}

function twice(own: Work | RewardFile, first: Work | RewardFile | undefined): readonly Complaint[] {
  if (first === undefined || first.hash === own.hash) return []
  return ['another statement with this number was given, with another hash']
}

function missingWork({ work: used }: RewardStatement, { work }: Shelf): readonly EpochId[] {
  return used.map(({ epoch }) => epoch).filter(epoch => !work.has(epoch))
}

/** Newest first without gaps, and beyond what it used: so a window that ends too early shows. */
function runOf({ work: used }: RewardStatement, work: Shelf['work']): readonly Work[] {
  const run: Work[] = []
  const newest = used[0]?.epoch ?? 0n
  // Ends at the first statement that is not among the files given.
  for (let epoch: bigint = newest; ; epoch--) {
    const next = work.get(epoch)
    if (next === undefined) return run
    run.push(next)
  }
}

/** Epochs, newest first, as a person would say them. */
function spans(epochs: readonly EpochId[]): string {
  const [newest, oldest] = [epochs[0], epochs.at(-1)]
  return epochs.length === 1
    ? `the work statement of epoch ${newest}`
    : `${epochs.length} work statements of epochs ${oldest} to ${newest}`
}
