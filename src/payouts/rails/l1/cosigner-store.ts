import { sha256 } from '@noble/hashes/sha2.js'
import { type Kysely, sql } from 'kysely'
import { equalBytes, toHex } from '../../../lib/bytes.ts'
import type { Database } from '../../../lib/db/schema.ts'
import { type BatchId, digest, type Txid, txid, type UnixMs } from '../../../lib/ids.ts'
import { recordEvent } from '../../../treasury/index.ts'
import { combineTaken, signaturesIn, takeSignatures, unsignedTxid } from './cosign.ts'
import type { L1Signer } from './signer.ts'

/** Signed PSBTs of one version; a further one is refused. Fifteen co-signers are the most there are. */
const GIVEN_MAX = 50

/** A version that waits for its co-signers. */
export type VersionToSign = {
  readonly version: number
  readonly txid: Txid
  /** BIP 174 with scripts and derivations, and without signatures. */
  readonly psbt: Uint8Array
  /** Co-signers who have signed all of it so far. */
  readonly signatures: number
}

export type AddOutcome =
  | { readonly kind: 'taken'; readonly version: VersionToSign }
  /** No version of it waits: it is not approved yet, or signed already. */
  | { readonly kind: 'nothing to sign' }
  | { readonly kind: 'refused'; readonly reason: string }

/** The newest version of a batch where nobody has signed it in full, or null. */
export async function versionToSign(
  db: Kysely<Database>,
  batch: BatchId,
): Promise<VersionToSign | null> {
  const row = await db
    .selectFrom('batch_versions')
    .innerJoin('batches', 'batches.id', 'batch_versions.batch_id')
    .select(['version', 'txid', 'unsigned', 'raw'])
    .where('batch_id', '=', batch)
    .where('state', 'not in', ['settled', 'released'])
    // No other rail has PSBTs.
    .where('rail', '=', 'l1')
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!row || row.raw !== null) return null
  const psbt = new Uint8Array(row.unsigned)
  const given = await givenFor(db, batch, row.version)
  const signatures = given.length === 0 ? 0 : signaturesIn(combineTaken(psbt, given))
  return { version: row.version, txid: txid(row.txid), psbt, signatures }
}

/**
 * Keeps what a co-signer signed of the version that waits. The rail combines it with the others',
 * checks the whole against the manifest and sends it; here only its signatures are taken.
 *
 * @param alias the operator who brought it, whoever's key signed
 */
export async function addSignatures(
  db: Kysely<Database>,
  given: { readonly batch: BatchId; readonly psbt: Uint8Array; readonly alias: string },
  at: UnixMs,
): Promise<AddOutcome> {
  const waiting = await versionToSign(db, given.batch)
  if (waiting === null) return { kind: 'nothing to sign' }
  const outcome = takeSignatures(waiting.psbt, given.psbt)
  if (outcome.kind === 'refused') return outcome
  const before = await givenFor(db, given.batch, waiting.version)
  // A signer makes as many signatures as he likes; those of keys that have signed bring nothing.
  if (bringsNothing(waiting.psbt, before, outcome.psbt)) return { kind: 'taken', version: waiting }
  if (before.length >= GIVEN_MAX) return { kind: 'refused', reason: 'it was signed often enough' }
  const by = `operator:${given.alias}`
  await db.transaction().execute(async tx => {
    await tx
      .insertInto('version_signatures')
      .values({
        ...{ batch_id: given.batch, version: waiting.version, psbt: outcome.psbt },
        psbt_hash: digest(toHex(sha256(outcome.psbt))),
        ...{ given_by: by, given_ms: BigInt(at) },
      })
      .onConflict(conflict => conflict.doNothing())
      .execute()
    const subject = `batch:${given.batch}`
    const detail = { txid: waiting.txid }
    await recordEvent(tx, { at, actor: by, action: 'bring signatures', subject, detail })
    await sql`select pg_notify('decisions', ${String(given.batch)})`.execute(tx)
  })
  return { kind: 'taken', version: (await versionToSign(db, given.batch)) ?? waiting }
}

function bringsNothing(psbt: Uint8Array, before: readonly Uint8Array[], given: Uint8Array) {
  return equalBytes(combineTaken(psbt, before), combineTaken(psbt, [...before, given]))
}

/** Signs with what co-signers have brought: perhaps not enough yet, which the rail then says. */
export function cosigners(db: Kysely<Database>): L1Signer {
  return {
    sign: async ({ manifest, psbt }) => {
      const row = await db
        .selectFrom('batch_versions')
        .select('version')
        .where('batch_id', '=', manifest.batch)
        .where('txid', '=', unsignedTxid(psbt))
        .executeTakeFirst()
      const given = row ? await givenFor(db, manifest.batch, row.version) : []
      if (given.length === 0) return { kind: 'waits', reason: 'no co-signer has signed it yet' }
      return { kind: 'signed', psbt: combineTaken(psbt, given) }
    },
  }
}

/** Asks each in turn and combines what they give; waits only where nobody gave anything. */
export function signersTogether(signers: readonly L1Signer[]): L1Signer {
  return {
    sign: async request => {
      const signed: Uint8Array[] = []
      const reasons: string[] = []
      for (const signer of signers) {
        const outcome = await signer.sign(request)
        if (outcome.kind === 'signed') signed.push(outcome.psbt)
        // The others may have enough keys among them, so one who never signs proves nothing.
        else reasons.push(outcome.kind === 'waits' ? outcome.reason : 'the signer has closed it')
      }
      if (signed.length === 0) return { kind: 'waits', reason: reasons.join('; ') }
      return { kind: 'signed', psbt: combineTaken(request.psbt, signed) }
    },
  }
}

async function givenFor(
  db: Kysely<Database>,
  batch: BatchId,
  version: number,
): Promise<Uint8Array[]> {
  const rows = await db
    .selectFrom('version_signatures')
    .select('psbt')
    .where('batch_id', '=', batch)
    .where('version', '=', version)
    .orderBy('given_ms')
    .limit(GIVEN_MAX)
    .execute()
  return rows.map(({ psbt }) => new Uint8Array(psbt))
}
