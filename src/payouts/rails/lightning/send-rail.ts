import {
  CALLS_OPEN_MAX,
  encodeManifest,
  type LineManifest,
  type ManifestLine,
  manifestHash,
  type SignedAct,
} from '../../../approval/index.ts'
import type { Digest, PaymentHash, UnixMs } from '../../../lib/ids.ts'
import { type Bolt11, parseBolt11 } from '../../../lib/lightning/bolt11.ts'
import { invoiceNamed } from '../../../lib/lightning/destination.ts'
import { HELD_BLOCKS_MAX, invoiceComplaint } from '../../../lib/lightning/invoice.ts'
import { NOT_TOLD, type Way } from '../../../lib/lightning/way.ts'
import { msatsFromSats } from '../../../lib/money.ts'
import type { PaymentNews } from '../../../lib/nodes/lnd-client.ts'
import { feeLimit, type LineStep, nextStep, sightsAfter, whyNoInvoice } from './attempt.ts'
import {
  addAttempts,
  type EndingAttempt,
  endAttempts,
  type NewAttempt,
  noteCalled,
  noteCalling,
  noteSights,
} from './attempt-store.ts'
import type { LightningParts } from './lightning-parts.ts'
import { type OpenLine, openLines } from './line-source.ts'
import { newsOf, verdictOn, waysOf } from './look-rail.ts'
import type { NodeStanding } from './node-client.ts'

/** No new invoices are asked for then: a request takes up to a minute, and a lease lasts for two. */
const RUN_MS_MAX = 30_000

/** What a run over a batch works with. */
export type Run = {
  readonly manifest: LineManifest
  readonly acts: readonly SignedAct[]
  readonly node: NodeStanding
}

/** What the lines wait for; empty where all is on its way. */
export type Troubles = ReadonlySet<string>

type Work = { readonly parts: LightningParts; readonly run: Run; readonly troubles: Set<string> }
type News = ReadonlyMap<PaymentHash, PaymentNews>
type Ways = ReadonlyMap<PaymentHash, Way>
type Stepped<Kind extends LineStep['kind']> = OpenLine & {
  readonly step: Extract<LineStep, { readonly kind: Kind }>
}

/**
 * Takes the lines of a batch as far as they go now: ends what failed, then asks for some invoices,
 * writes them down and has them paid, and so on, as long as the signer takes calls: an invoice that
 * waits to be called grows old. Each part reads again what the one before has written.
 */
export async function workOn(parts: LightningParts, run: Run): Promise<Troubles> {
  const { clock } = parts
  const work: Work = { parts, run, troubles: new Set() }
  const until = clock.now() + RUN_MS_MAX
  const news = await newsOf(parts, await openLines(parts.db, run.manifest))
  const ways = await waysOf(parts, run.node, news)
  await noteLooks(work, news, ways)
  for (const lines of piecesOf(await linesFor(work, news, 'end')))
    await end(work, { news, ways }, lines)
  let hasRoom = await callAll(work, news)
  for (const lines of piecesOf(
    fromAnother(await linesFor(work, news, 'ask for an invoice'), until),
  )) {
    if (!hasRoom || clock.now() >= until) break
    await ask(work, lines)
    hasRoom = await callAll(work, news)
  }
  return work.troubles
}

/** The lines whose next step is of that kind. */
async function linesFor<Kind extends LineStep['kind']>(
  { parts: { db, clock }, run: { manifest } }: Work,
  news: News,
  kind: Kind,
): Promise<readonly Stepped<Kind>[]> {
  const now = clock.now()
  return (await openLines(db, manifest)).flatMap(open => {
    const { newest } = open
    const said = newest && (news.get(newest.paymentHash) ?? null)
    // What was called in this very run was not looked up yet.
    if (newest?.state === 'called' && said === null) return []
    const { expiresAt } = manifest
    const step = nextStep(newest, said, now, whyNoInvoice(open.line, newest, { now, expiresAt }))
    return isOfKind(step, kind) ? [{ ...open, step }] : []
  })
}

/** As many as the signer calls at once. */
function piecesOf<T>(lines: readonly T[]): readonly (readonly T[])[] {
  const count = Math.ceil(lines.length / CALLS_OPEN_MAX)
  return Array.from({ length: count }, (_, at) =>
    lines.slice(at * CALLS_OPEN_MAX, (at + 1) * CALLS_OPEN_MAX),
  )
}

/** Each run begins with another line, so that slow servers keep nobody behind them waiting. */
function fromAnother<T>(lines: readonly T[], at: number): readonly T[] {
  const first = lines.length === 0 ? 0 : Math.floor(at / 1000) % lines.length
  return [...lines.slice(first), ...lines.slice(0, first)]
}

/** @returns whether the signer has room; a line that it refuses keeps no other one waiting */
async function callAll(work: Work, news: News): Promise<boolean> {
  for (const lines of piecesOf(await linesFor(work, news, 'call')))
    if (!(await call(work, lines))) return false
  return true
}

function isOfKind<Kind extends LineStep['kind']>(
  step: LineStep,
  kind: Kind,
): step is Extract<LineStep, { readonly kind: Kind }> {
  return step.kind === kind
}

/** Minutes of "nowhere" are part of a proof, and ten minutes on the way are a payee's doing. */
async function noteLooks({ parts, run }: Work, news: News, ways: Ways): Promise<void> {
  const { db, clock } = parts
  for (const { payee, newest } of await openLines(db, run.manifest)) {
    const said = newest && news.get(newest.paymentHash)
    if (!newest || !said) continue
    const way = ways.get(newest.paymentHash) ?? NOT_TOLD
    const after = sightsAfter(newest, said, way, clock.now())
    const { goneSince, onWaySince, heldAt } = newest
    const isNew =
      after.goneSince !== goneSince || after.onWaySince !== onWaySince || after.heldAt !== heldAt
    if (isNew) await noteSights(db, run.manifest.batch, { payee, n: newest.n }, after)
  }
}

async function end(
  work: Work,
  { news, ways }: { readonly news: News; readonly ways: Ways },
  lines: readonly Stepped<'end'>[],
): Promise<void> {
  const { parts, run, troubles } = work
  const places = lines.flatMap(({ payee, newest }) =>
    newest ? [{ payee, n: newest.n, isLast: false }] : [],
  )
  const given = await parts.signer.end({ manifestHash: hashOf(run), lines: places })
  if (given.kind === 'waits') return void troubles.add(given.reason)
  const now = parts.clock.now()
  const dead: EndingAttempt[] = []
  for (const { payee, line, newest } of lines) {
    const answer = given.lines.get(payee)
    if (!newest || answer === undefined) continue
    if (answer.kind === 'alive') {
      troubles.add(answer.reason)
      continue
    }
    const said = news.get(newest.paymentHash) ?? { kind: 'not found' }
    const way = ways.get(newest.paymentHash) ?? NOT_TOLD
    const verdict = verdictOn(newest, line, {
      ...{ node: run.node, news: said, way, shown: null, mayBeCalled: false, now },
    })
    if (verdict.kind === 'dead') dead.push({ payee, n: newest.n, end: verdict })
    else if ('reason' in verdict) troubles.add(verdict.reason)
  }
  await endAttempts(parts.db, run.manifest.batch, dead, now)
}

async function ask(
  { parts, run, troubles }: Work,
  lines: readonly Stepped<'ask for an invoice'>[],
): Promise<void> {
  const { manifest, acts, node } = run
  const places = lines.map(({ payee, step: { n } }) => ({ payee, n }))
  const given = await parts.signer.invoices({ manifest, acts, lines: places })
  if (given.kind === 'waits') return void troubles.add(given.reason)
  const now = parts.clock.now()
  const attempts = lines.flatMap(({ payee, line, step: { n } }): readonly NewAttempt[] => {
    const answer = given.lines.get(payee)
    if (answer?.kind !== 'invoice') {
      if (answer !== undefined) troubles.add(answer.reason)
      return []
    }
    const read = readGiven(parts, line, answer.invoice, now)
    if (typeof read === 'string') {
      troubles.add(`of an invoice that the signer gave: ${read}`)
      return []
    }
    const { paymentHash, expiresAt, text } = read
    const of = { payee, n, amount: msatsFromSats(line.amount), nodeKey: node.publicKey }
    return [{ ...of, paymentHash, expiresAt, invoice: text }]
  })
  await addAttempts(parts.db, manifest.batch, attempts, now)
}

/** @returns the invoice, or what is wrong with it */
function readGiven(
  { options: { network } }: LightningParts,
  { amount, destination }: ManifestLine,
  text: string,
  now: UnixMs,
): Bolt11 | string {
  const read = parseBolt11(text)
  if (read.kind === 'refused') return read.reason
  const asked = { network, amount: msatsFromSats(amount), cltvBlocksMax: HELD_BLOCKS_MAX }
  const isAnother = invoiceNamed(destination) !== null && destination !== read.invoice.text
  if (isAnother) return 'it is not the one that the manifest names'
  return invoiceComplaint(read.invoice, asked, now) ?? read.invoice
}

async function call(
  { parts: { db, signer }, run, troubles }: Work,
  lines: readonly Stepped<'call'>[],
): Promise<boolean> {
  const { batch } = run.manifest
  const calls = lines.flatMap(({ payee, line, newest, step }) => {
    if (!newest) return []
    const { n, paymentHash } = newest
    return [
      { payee, n, paymentHash, call: step.call, feeMaxMsat: feeLimit(line.feeMax, step.call) },
    ]
  })
  const noted = await noteCalling(db, batch, calls)
  if (noted.length === 0) return true
  const given = await signer.pay({ manifestHash: hashOf(run), lines: noted })
  if (given.kind === 'waits') {
    troubles.add(given.reason)
    return false
  }
  const called = noted.filter(({ payee }) => given.lines.get(payee)?.kind === 'called')
  await noteCalled(db, batch, called)
  const answers = [...given.lines.values()]
  for (const answer of answers) if (answer.kind !== 'called') troubles.add(answer.reason)
  return answers.every(({ kind }) => kind !== 'no room')
}

function hashOf({ manifest }: Run): Digest {
  return manifestHash(encodeManifest(manifest))
}
