import type { BatchId } from '../../../lib/ids.ts'
import { orUnknown, orWaits } from '../../node-trouble-client.ts'
import { moveBatch } from '../../payout-store.ts'
import type { CheckOutcome, Lease, PrepareOutcome, Rail, SendOutcome } from '../../rail.ts'
import { adopt } from './adopt-rail.ts'
import { parseLightningDestination } from './destination.ts'
import { fundsOf, lineFees } from './funds-rail.ts'
import { judge } from './judge-rail.ts'
import { LIGHTNING_BOOKS } from './lightning-books.ts'
import type { LightningParts } from './lightning-parts.ts'
import { lineManifestOf, openLines } from './line-source.ts'
import { nodeComplaint, nodeStanding } from './node-client.ts'
import { workOn } from './send-rail.ts'

/**
 * Pays each payee of a batch by a payment of its own. The batch is `prepared` once it may be paid,
 * and `sent` from the first invoice on; each line ends for itself, and the batch with the last.
 */
export function lightningRail(parts: LightningParts): Rail {
  return {
    name: 'lightning',
    books: LIGHTNING_BOOKS,
    parseDestination: text => parseLightningDestination(text, parts.options.network),
    fees: lineFees(parts.options),
    funds: () => orWaits(() => fundsOf(parts)),
    prepare: lease => orWaits(() => prepare(parts, lease)),
    send: batch => orUnknown(() => send(parts, batch)),
    check: batch => check(parts, batch),
    adopt: lease => orWaits(() => adopt(parts, lease)),
    // What is too slow comes back by itself, and is then tried with a higher limit.
    bump: async () => ({ kind: 'stays' }),
  }
}

/** Nothing is built: the largest fees and all amounts leave the float, and the lines begin. */
async function prepare(parts: LightningParts, lease: Lease): Promise<PrepareOutcome> {
  const { db, clock, client, options } = parts
  const manifest = await lineManifestOf(db, lease.batch)
  if (clock.now() >= manifest.expiresAt) return { kind: 'expired' }
  const judgement = await judge(parts, manifest)
  if (judgement.kind === 'refused') return { kind: 'waits', reason: judgement.reason }
  const complaint = await nodeComplaint(client, options.network)
  if (complaint !== null) return { kind: 'waits', reason: complaint }
  const context = { books: LIGHTNING_BOOKS, at: clock.now() }
  const event = { kind: 'prepared', fee: manifest.feeMax } as const
  const moved = await db.transaction().execute(tx => moveBatch(tx, lease, event, context))
  return moved.kind === 'moved' ? { kind: 'prepared' } : { kind: 'fenced' }
}

async function send(parts: LightningParts, batch: BatchId): Promise<SendOutcome> {
  const { db, client, clock, options } = parts
  const manifest = await lineManifestOf(db, batch)
  const judgement = await judge(parts, manifest)
  if (judgement.kind === 'refused') return { kind: 'unknown', reason: judgement.reason }
  const complaint = await nodeComplaint(client, options.network)
  if (complaint !== null) return { kind: 'unknown', reason: complaint }
  const node = await nodeStanding(db, client, clock.now())
  const [trouble] = await workOn(parts, { manifest, acts: judgement.approved.acts, node })
  return trouble === undefined ? { kind: 'sent' } : { kind: 'unknown', reason: trouble }
}

/** What has ended was booked before; as long as a line has not, there may be something to do. */
async function check({ db }: LightningParts, batch: BatchId): Promise<CheckOutcome> {
  const lines = await openLines(db, await lineManifestOf(db, batch))
  return lines.length > 0 ? { kind: 'missing' } : { kind: 'waiting', confirmations: 0 }
}
