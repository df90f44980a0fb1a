import { type Kysely, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import { parseAddress } from '../lib/bitcoin/address.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import { equalBytes } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, accountId, type UnixMs } from '../lib/ids.ts'
import { inBatches } from '../lib/in-batches.ts'
import type { Clock } from '../lib/time.ts'
import type { Authorize, FinderTerms } from '../pool/index.ts'
import { kindsPaid, type Offer, wrongSchemeReason } from './offer.ts'
import { type NamedPayee, parseUsername } from './payee.ts'

/**
 * An insert loses to another process at most twice, over the payee and then over the account;
 * nobody deletes either, so the third look finds both. More would be a bug, and is asserted.
 */
const LOOKS_MAX = 3
/** Names looked up in one query; what is more goes into the next. */
const ACCOUNTS_PER_LOOK_MAX = 500

export type PayeesDeps = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly network: Network
  /** Every scheme that miners can connect to. */
  readonly offers: readonly Offer[]
}

/** Who miners are. */
export type Payees = {
  /**
   * Refused: the reason is for the miner; a payee whom no rail of the scheme can pay is told where
   * it is paid, and leaves no row. Otherwise the account of the payee under the scheme, made at its
   * first authorize, and always the same one, also when asked many times at once.
   *
   * @throws when PostgreSQL is away
   */
  readonly authorize: Authorize
}

/** Knows payees and accounts, and is the only writer of both. */
export function createPayees({ db, clock, network, offers }: PayeesDeps): Payees {
  const findAccount = inBatches<AccountKey, AccountId | null>(
    keys => findAccounts(db, keys),
    ACCOUNTS_PER_LOOK_MAX,
  )

  async function accountOf(payee: NamedPayee, scheme: string): Promise<AccountId> {
    const { destination } = payee
    // Looked for first, since an insert takes an id from the sequence even where it adds nothing.
    for (let look = 0; look < LOOKS_MAX; look++) {
      const account =
        (await findAccount({ destination, scheme })) ??
        (await addAccount(db, payee, { scheme, createdMs: clock.now() }))
      if (account !== null) return account
    }
    assert(false, 'an account that could not be added is there')
  }

  return {
    async authorize(username, scheme) {
      const offer = offers.find(each => each.scheme === scheme)
      assert(offer !== undefined, 'a port serves a scheme that is offered')
      const kinds = kindsPaid(offer)
      const who = parseUsername(username, { network, kinds })
      if (who.kind === 'refused') return who
      if (!kinds.includes(who.payeeKind))
        return { kind: 'refused', reason: wrongSchemeReason(who, offer, offers) }
      const finder = offer.finderFee && finderTerms(who, network, offer.finderFee)
      if (finder === 'pool') return { kind: 'refused', reason: POOLS_OWN }
      const { worker } = who
      return { kind: 'authorized', accountId: await accountOf(who, scheme), worker, finder }
    },
  }
}

const POOLS_OWN =
  "this is the pool's own address, which gets its fee in the coinbase: use one of your own"

/** What a coinbase is to pay whom; the pool cannot be the finder beside itself. */
function finderTerms(
  { destination }: NamedPayee,
  network: Network,
  { feeBasisPoints, poolScript }: NonNullable<Offer['finderFee']>,
): FinderTerms | 'pool' {
  const address = parseAddress(destination, network)
  assert(address.kind === 'address', 'who is paid in a coinbase is a Bitcoin address')
  return equalBytes(address.script, poolScript)
    ? 'pool'
    : { script: address.script, feeBasisPoints }
}

type AccountKey = { readonly destination: string; readonly scheme: string }

async function findAccounts(
  db: Kysely<Database>,
  keys: readonly AccountKey[],
): Promise<readonly (AccountId | null)[]> {
  const { rows } = await sql<AccountKey & { id: bigint }>`
    select distinct accounts.id, destination, scheme
      from accounts join payees on payees.id = accounts.payee_id
      join unnest(${keys.map(({ destination }) => destination)}::text[],
                  ${keys.map(({ scheme }) => scheme)}::text[])
             as asked (destination, scheme) using (destination, scheme)`.execute(db)
  const found = new Map(rows.map(row => [`${row.scheme} ${row.destination}`, accountId(row.id)]))
  return keys.map(({ destination, scheme }) => found.get(`${scheme} ${destination}`) ?? null)
}

/**
 * Adds the account, and its payee where there is none. A conflict waits for the other commit.
 *
 * @returns null where another was faster: its rows are committed, for the next look to find
 */
async function addAccount(
  db: Kysely<Database>,
  { payeeKind, destination }: NamedPayee,
  { scheme, createdMs }: { readonly scheme: string; readonly createdMs: UnixMs },
): Promise<AccountId | null> {
  const { rows } = await sql<{ id: bigint }>`
    with known as (select id from payees where destination = ${destination}),
    added as (
      insert into payees (kind, destination, created_ms)
      select ${payeeKind}::text, ${destination}::text, ${createdMs}::bigint
       where not exists (select from known)
      on conflict (destination) do nothing
      returning id)
    insert into accounts (payee_id, scheme, created_ms)
    select id, ${scheme}::text, ${createdMs}::bigint
      from (select id from known union all select id from added) as payee
    on conflict (payee_id, scheme) do nothing
    returning id`.execute(db)
  const [row] = rows
  return row ? accountId(row.id) : null
}
