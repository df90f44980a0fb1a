import {
  type Act,
  encodeManifest,
  type Manifest,
  manifestFromJson,
  manifestHash,
  manifestTotal,
  signAct,
} from '../approval/index.ts'
import { toHex } from '../lib/bytes.ts'
import type { Digest } from '../lib/ids.ts'
import { formatBtc } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import { say, sayPlain } from './command.ts'
import type { BatchInList, BatchTold, TreasuryClient } from './treasury-client.ts'

/** A later instant is no date; the number is shown instead. Source: ECMAScript, time range. */
const DATE_MS_MAX = 8.64e15

/**
 * What a person must know before a withdrawal is asked for, and again before it is approved.
 *
 * Source: BIP 300 as enforced; test networks have other figures.
 */
export const WITHDRAWAL_WARNING = [
  'THE MONEY IS AWAY FOR MONTHS: a withdrawal from Thunder arrives when more than 13,150 of at most',
  '26,300 main blocks have voted for its bundle, by mainnet’s rules 3 to 6 months. If they do not,',
  'it waits for the next bundle, as long again. Once it is sent nobody can call it back.',
]

/** A batch whose manifest was read here and hashed here. */
type CheckedBatch = {
  readonly told: BatchTold
  readonly manifest: Manifest
  /** Of the bytes that this program made of what it shows, not what the API says. */
  readonly hash: Digest
}

/** Prints the batches, newest first. @returns the exit code */
export async function listBatches(client: TreasuryClient): Promise<number> {
  const reply = await client.list()
  if (reply.kind === 'refused') return refuse(reply.reason)
  for (const told of reply.value) {
    const { batch, state, purpose, rail, totalSats, note } = told
    const what = `${state}, ${purpose} of ${totalSats} sat by ${rail}, ${approvalsText(told)}`
    sayPlain(`batch ${batch}: ${what}${note && `: ${note}`}`)
  }
  if (reply.value.length === 0) say('there is no batch yet')
  return 0
}

/** Prints a batch with its manifest. @returns the exit code: 1 where they do not belong together */
export async function showBatch(client: TreasuryClient, number: string): Promise<number> {
  const batch = await readBatch(client, number)
  if (typeof batch === 'string') return refuse(batch)
  printBatch(batch)
  return 0
}

/**
 * Shows an operator a batch, asks, signs here and posts the act. What is signed is the hash of
 * what was shown: an API that shows other payees gets a signature that is good for nothing else.
 *
 * @param ask whether to go on; false signs nothing
 * @returns the exit code: 0 only when the pool took the act
 */
export async function giveAct(
  client: TreasuryClient,
  number: string,
  act: Act,
  parts: {
    readonly secret: Uint8Array
    readonly clock: Clock
    readonly ask: (question: string) => Promise<boolean>
  },
): Promise<number> {
  const batch = await readBatch(client, number)
  if (typeof batch === 'string') return refuse(batch)
  printBatch(batch)
  const { manifest, hash, told } = batch
  if (told.state !== 'planned' && told.state !== 'approved')
    return refuse(`batch ${number} is ${told.state} already`)
  if (parts.clock.now() >= manifest.expiresAt) return refuse(`batch ${number} has expired`)
  const question = `${act.kind} batch ${number} on ${manifest.network}?`
  if (!(await parts.ask(question))) return refuse('nothing was signed')
  const { operator, signature } = signAct(parts.secret, act, hash)
  const reply = await client.act(number, act.kind, {
    operatorKey: operator,
    manifestHash: hash,
    signature: toHex(signature),
    ...(act.kind === 'reject' ? { reason: act.reason } : {}),
  })
  if (reply.kind === 'refused') return refuse(`the pool refused: ${reply.reason}`)
  sayPlain(`the pool took it; batch ${number}: ${reply.value}`)
  return 0
}

/** A batch whose manifest is encoded and hashed here. @returns the complaint where it is not */
export async function readBatch(
  client: TreasuryClient,
  number: string,
): Promise<CheckedBatch | string> {
  const reply = await client.batch(number)
  if (reply.kind === 'refused') return reply.reason
  const told = reply.value
  const manifest = manifestFromJson(told.manifest)
  if (manifest === null) return `what the API gives for batch ${number} is no manifest`
  if (manifest.batch !== BigInt(number)) return `the manifest is of batch ${manifest.batch}`
  const hash = manifestHash(encodeManifest(manifest))
  if (hash !== told.manifestHash)
    return `the manifest hashes to ${hash}, but the API says ${told.manifestHash}`
  return { told, manifest, hash }
}

/** Shows a person all that an approval, or a signature, is about. */
export function printBatch({ told, manifest, hash }: CheckedBatch): void {
  const { payees } = manifest
  const what = `${manifest.purpose} by ${manifest.rail} from the ${manifest.wallet} wallet`
  sayPlain(`batch ${manifest.batch} on ${manifest.network}, ${what}: ${told.state}`)
  say(`  manifest  ${hash}, hashed here`)
  const made = `${timeText(manifest.createdAt)} by ${manifest.createdBy}`
  sayPlain(`  made      ${made}, policy ${manifest.policyVersion}`)
  say(`  expires   ${timeText(manifest.expiresAt)}`)
  if (manifest.version === 2) {
    say(`  anchor    ${manifest.anchor.txid}:${manifest.anchor.vout}`)
    sayPlain(`  change    ${manifest.change}`)
  }
  say(`  fee       at most ${formatBtc(manifest.feeMax)} BTC`)
  say(`  pays      ${formatBtc(manifestTotal(manifest))} BTC to ${payees.length}:`)
  for (const { destination, amount, payouts } of payees) {
    const own = payouts.length > 0 ? `payouts ${payouts.join(', ')}` : 'a wallet of the pool'
    sayPlain(`    ${formatBtc(amount)}  ${destination}  (${own})`)
  }
  if (manifest.purpose === 'withdrawal') for (const line of WITHDRAWAL_WARNING) say(`  ${line}`)
  for (const { txid, feeSats, signed } of told.versions)
    sayPlain(`  built     ${txid}, fee ${feeSats} sat${signed ? ', signed' : ''}`)
  for (const { act, alias, operatorKey, reason } of told.acts)
    sayPlain(`  act       ${act} by ${alias}, ${operatorKey}${reason && `: ${reason}`}`)
  if (manifest.excluded.length > 0)
    sayPlain(`  without   ${manifest.excluded.join(', ')}, whose approval does not count`)
  sayPlain(`  rule      ${approvalsText(told)}${told.heldBack && `; ${told.heldBack}`}`)
}

/** Who approved and how many must, as the API says; nothing of it is signed. */
function approvalsText({ approvedBy, approvalsNeeded }: BatchInList): string {
  const by = approvedBy.length > 0 ? approvedBy.join(', ') : 'nobody'
  return `approved by ${by}, ${approvalsNeeded} needed`
}

function timeText(ms: number): string {
  return ms <= DATE_MS_MAX ? new Date(ms).toISOString() : `${ms} ms after 1970`
}

function refuse(reason: string): number {
  sayPlain(reason)
  return 1
}
