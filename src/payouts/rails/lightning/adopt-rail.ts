import {
  encodeManifest,
  type LineManifest,
  manifestHash,
  type SignedAct,
} from '../../../approval/index.ts'
import type { PaymentHash, Preimage } from '../../../lib/ids.ts'
import { parsePreimage } from '../../../lib/lightning/preimage.ts'
import { NOT_TOLD } from '../../../lib/lightning/way.ts'
import { millisats, msatsFromSats } from '../../../lib/money.ts'
import type { PaymentNews } from '../../../lib/nodes/lnd-client.ts'
import { type EndingLine, endLines, openPayouts } from '../../line-store.ts'
import { liveBatch, moveBatch } from '../../payout-store.ts'
import type { AdoptOutcome, Lease } from '../../rail.ts'
import { nextStep, whyNoInvoice } from './attempt.ts'
import { type AttemptEnd, endAttempts, feesPaid } from './attempt-store.ts'
import { judge } from './judge-rail.ts'
import { LIGHTNING_BOOKS } from './lightning-books.ts'
import type { LightningParts } from './lightning-parts.ts'
import { lineManifestOf, type OpenLine, openLines } from './line-source.ts'
import { newsOf, verdictOn } from './look-rail.ts'
import { type NodeStanding, nodeStanding } from './node-client.ts'

/** Lines that end in one commit. */
const LINES_A_COMMIT = 100

/** A line that comes to its end, with what is noted of its attempt; null where that is known. */
type Ending = EndingLine & { readonly n: number; readonly attempt: AttemptEnd | null }

/** Books what was paid, and what no further try is made for; with the last line the batch ends. */
export async function adopt(parts: LightningParts, lease: Lease): Promise<AdoptOutcome> {
  const { db, client, clock } = parts
  const live = await liveBatch(db, lease.batch)
  if (live === null || live.state === 'planned' || live.state === 'approved')
    return { kind: 'nothing' }
  const manifest = await lineManifestOf(db, lease.batch)
  const lines = await openLines(db, manifest)
  const node = await nodeStanding(db, client, clock.now())
  for (let from = 0; from < lines.length; from += LINES_A_COMMIT) {
    const some = lines.slice(from, from + LINES_A_COMMIT)
    const endings = await endingsOf(parts, { manifest, node }, some)
    if (endings.length > 0 && !(await end(parts, lease, endings))) return { kind: 'fenced' }
  }
  if ((await openPayouts(db, lease.batch)).size > 0) return { kind: 'nothing' }
  return close(parts, lease, manifest)
}

async function endingsOf(
  parts: LightningParts,
  { manifest, node }: { readonly manifest: LineManifest; readonly node: NodeStanding },
  lines: readonly OpenLine[],
): Promise<readonly Ending[]> {
  const news = await newsOf(parts, lines)
  const now = parts.clock.now()
  const shown = await shownBySigner(parts, { manifest, node, news }, lines)
  const paid = lines.flatMap(({ payee, line, newest }): readonly Ending[] => {
    const said = newest && news.get(newest.paymentHash)
    if (newest?.state !== 'called' || !said) return []
    // Whether it is dead is for whoever asks the signer to end it.
    const witnesses = {
      ...{ node, news: said, way: NOT_TOLD, mayBeCalled: true, now },
      shown: shown.get(payee) ?? null,
    }
    const verdict = verdictOn(newest, line, witnesses)
    if (verdict.kind !== 'settled' || (verdict.fee === null && !shown.has(payee))) return []
    // What it cost nobody knows any more: no more than it could.
    const fee = verdict.fee ?? msatsFromSats(line.feeMax)
    const attempt = { kind: 'settled', preimage: verdict.preimage, fee } as const
    const { payouts } = line
    return [{ payee, payouts, n: newest.n, attempt, end: { kind: 'settled', fee }, reason: '' }]
  })
  return [...paid, ...(await givenUp(parts, manifest, lines))]
}

/**
 * What payees' servers show of payments that lnd has lost: the signer asks them, since this host
 * asks no strangers. What they do not show proves nothing.
 */
async function shownBySigner(
  { signer }: LightningParts,
  {
    manifest,
    node,
    news,
  }: {
    readonly manifest: LineManifest
    readonly node: NodeStanding
    readonly news: ReadonlyMap<PaymentHash, PaymentNews>
  },
  lines: readonly OpenLine[],
): Promise<ReadonlyMap<number, Preimage>> {
  const lost = lines.flatMap(({ payee, newest }) => {
    if (newest?.state !== 'called') return []
    const said = news.get(newest.paymentHash)
    const isKnown = said?.kind === 'payment' && said.payment.status !== 'failed'
    const isLost = node.hasForgotten || node.publicKey !== newest.nodeKey
    return isLost && !isKnown ? [{ payee, newest }] : []
  })
  if (lost.length === 0) return new Map()
  const places = lost.map(({ payee, newest: { n } }) => ({ payee, n, isLast: false }))
  const hash = manifestHash(encodeManifest(manifest))
  const given = await signer.end({ manifestHash: hash, lines: places })
  if (given.kind === 'waits') return new Map()
  const shown = lost.flatMap(({ payee, newest }) => {
    const answer = given.lines.get(payee)
    const text = answer?.kind === 'alive' ? answer.preimage : undefined
    const preimage = text === undefined ? null : parsePreimage(text, newest.paymentHash)
    return preimage === null ? [] : [[payee, preimage] as const]
  })
  return new Map(shown)
}

/**
 * Lines that no further try is made for, once the signer has said that none can be: whoever takes
 * over this host then finds nothing to have paid beside what another rail pays.
 */
async function givenUp(
  parts: LightningParts,
  manifest: LineManifest,
  lines: readonly OpenLine[],
): Promise<readonly Ending[]> {
  const { signer, clock } = parts
  const now = clock.now()
  const stepped = lines.flatMap(open => {
    const { newest } = open
    if (newest !== null && newest.state !== 'dead') return []
    const { expiresAt } = manifest
    const step = nextStep(newest, null, now, whyNoInvoice(open.line, newest, { now, expiresAt }))
    return step.kind === 'give up' ? [{ ...open, reason: step.reason }] : []
  })
  if (stepped.length === 0) return []
  const unasked = stepped.filter(({ newest }) => newest === null)
  // A signer that was never asked for a batch learns of it now, and that it is over.
  if (unasked.length > 0)
    await signer.invoices({
      ...{ manifest, acts: await approvalsOn(parts, manifest) },
      lines: unasked.map(({ payee }) => ({ payee, n: 1 })),
    })
  const places = stepped.map(({ payee, newest }) => ({ payee, n: newest?.n ?? 1, isLast: true }))
  const hash = manifestHash(encodeManifest(manifest))
  const given = await signer.end({ manifestHash: hash, lines: places })
  if (given.kind === 'waits') return []
  return stepped.flatMap(({ payee, line, reason }) =>
    given.lines.get(payee)?.kind === 'ended'
      ? [{ payee, payouts: line.payouts, n: 0, attempt: null, end: { kind: 'released' }, reason }]
      : [],
  )
}

/** Where time is left, a signer that learns of a batch asks who approved it; later it needs nobody. */
async function approvalsOn(
  parts: LightningParts,
  manifest: LineManifest,
): Promise<readonly SignedAct[]> {
  const judgement = await judge(parts, manifest)
  return judgement.kind === 'approved' ? judgement.approved.acts : []
}

async function end(
  { db, clock }: LightningParts,
  lease: Lease,
  endings: readonly Ending[],
): Promise<boolean> {
  const at = clock.now()
  return db.transaction().execute(async tx => {
    if (!(await endLines(tx, lease, endings, { books: LIGHTNING_BOOKS, at }))) return false
    const ended = endings.flatMap(({ payee, n, attempt }) =>
      attempt === null ? [] : [{ payee, n, end: attempt }],
    )
    await endAttempts(tx, lease.batch, ended, at)
    return true
  })
}

async function close(
  { db, clock }: LightningParts,
  lease: Lease,
  { feeMax }: LineManifest,
): Promise<AdoptOutcome> {
  const context = { books: LIGHTNING_BOOKS, at: clock.now() }
  return db.transaction().execute(async (tx): Promise<AdoptOutcome> => {
    const fees = await feesPaid(tx, lease.batch)
    const left = millisats(msatsFromSats(feeMax) - fees)
    const paid = await tx
      .selectFrom('payouts')
      .select('id')
      .where('batch_id', '=', lease.batch)
      .where('state', '=', 'settled')
      .limit(1)
      .executeTakeFirst()
    const kind = paid ? 'paid up' : 'none paid'
    const moved = await moveBatch(tx, lease, { kind, left }, context)
    return moved.kind === 'moved' ? { kind: 'adopted' } : { kind: 'fenced' }
  })
}
