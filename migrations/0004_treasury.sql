-- Who may do what with the pool's money, what every version of a batch may spend, and what a miner
-- asks for. Acts and events are written once; a correction is a further row.

create table operators (
  id bigint generated always as identity primary key,
  alias text not null unique check (alias ~ '^[a-z][a-z0-9-]{0,39}$' and alias <> 'pool'),
  roles text[] not null
    check (cardinality(roles) > 0 and roles <@ array['viewer', 'operator', 'approver', 'admin']),
  created_ms unix_ms not null,
  removed_ms unix_ms
);
comment on table operators is
  'People who act for the treasury; miners see the alias. Written by treasury. A removed operator
   stays, since old acts name it.';

create table operator_keys (
  key hash_hex primary key,
  operator_id bigint not null references operators,
  type text not null default 'bip340' check (type in ('bip340')),
  created_ms unix_ms not null,
  not_after_ms unix_ms not null check (not_after_ms > created_ms),
  revoked_ms unix_ms
);
create index operator_keys_of on operator_keys (operator_id);
comment on table operator_keys is
  'Public keys that sign acts, BIP340 for now; the type leaves room for passkeys. A key is never
   another operator''s later.';

create table operator_acts (
  serial bigint primary key check (serial > 0),
  bytes bytea not null check (length(bytes) <= 4000),
  hash hash_hex not null unique,
  operator_key hash_hex not null,
  signature bytea not null check (length(signature) = 64),
  given_ms unix_ms not null
);
comment on table operator_acts is
  'Every signed change of operators and their keys, each naming the hash of the one before: the two
   tables above are what these acts add up to, and an audit adds them up again.';

create table access_tokens (
  id bigint generated always as identity primary key,
  operator_id bigint not null references operators,
  operator_key hash_hex not null references operator_keys,
  digest hash_hex not null unique,
  scopes text[] not null
    check (cardinality(scopes) > 0 and scopes <@ array['read', 'create', 'operators']),
  created_ms unix_ms not null,
  expires_ms unix_ms not null check (expires_ms > created_ms),
  revoked_ms unix_ms
);
comment on table access_tokens is
  'Bearer tokens of operators, only as SHA-256 of 32 random bytes. No token approves anything. One
   falls with the key that asked for it.';

create table first_admin_tokens (
  digest hash_hex primary key,
  created_ms unix_ms not null,
  expires_ms unix_ms not null,
  used_ms unix_ms
);
comment on table first_admin_tokens is
  'The one-time token that the host''s console shows while there is no admin yet.';

create table auth_failures (
  subject text primary key check (length(subject) between 1 and 100),
  failures integer not null check (failures > 0),
  since_ms unix_ms not null,
  locked_until_ms unix_ms
);
comment on table auth_failures is
  'Failed authentications by address or operator, counted in the database so that a restart
   forgives nobody. A row goes when its window, or the lock that it led to, has ended.';

create table policies (
  version integer primary key check (version > 0),
  bytes bytea not null,
  hash hash_hex not null,
  created_ms unix_ms not null
);
comment on table policies is
  'Each version of the spending rules, canonical. A configuration that says something else under a
   known version is refused.';

create table freeze_acts (
  id bigint generated always as identity primary key,
  act text not null check (act in ('freeze', 'unfreeze')),
  lifts_id bigint references freeze_acts,
  scope text not null check (scope ~ '^[a-z0-9-]{1,40}$'),
  operator_key hash_hex,
  reason text not null check (length(reason) between 1 and 500),
  signature bytea check (length(signature) = 64),
  given_ms unix_ms not null,
  hash hash_hex not null unique,
  check ((act = 'unfreeze') = (lifts_id is not null)),
  check ((operator_key is null) = (signature is null)),
  check (act = 'freeze' or operator_key is not null)
);
create unique index freeze_acts_once on freeze_acts (lifts_id, operator_key)
  where act = 'unfreeze';
comment on table freeze_acts is
  'Freezes of a rail, or of all, by an operator or by the pool itself (no key), and who lifts them.
   A freeze holds until two operators have lifted it.';

create table audit_events (
  position bigint primary key check (position > 0),
  at_ms unix_ms not null,
  actor text not null check (length(actor) between 1 and 340),
  action text not null check (action ~ '^[a-z][a-z ]{0,39}$'),
  subject text not null check (length(subject) <= 200),
  detail jsonb not null,
  bytes bytea not null,
  hash hash_hex not null unique
);
comment on table audit_events is
  'Every action of every actor. hash(n) = tagged hash of hash(n-1) and the canonical bytes, written
   in the transaction of the action itself.';

create table signer_heads (
  position bigint primary key check (position > 0),
  hash hash_hex not null unique,
  seen_ms unix_ms not null
);
comment on table signer_heads is
  'Heads of the signer''s own hash-chained memory as it answered, so that one restored from an old
   copy is noticed.';

alter table approvals
  add column type text not null default 'bip340' check (type in ('bip340')),
  drop constraint approvals_pkey,
  add primary key (batch_id, operator_key, act);
comment on table approvals is
  'BIP340 signatures of operators, or of the pool''s own key, over the tagged hash of act and
   manifest. Who approved may reject later, never the other way. Written once, by treasury.';

alter table batches drop constraint batches_total_sats_check;
alter table batches
  add column purpose text not null default 'payout'
    check (purpose in ('payout', 'transfer', 'consolidation', 'cpfp')),
  add column wallet text not null default 'hot' check (wallet in ('hot', 'cold')),
  add column parent_id bigint references batches,
  add column paid_version integer,
  add column watched_until_height integer,
  add column auto_approved boolean not null default false,
  add check (total_sats >= 0 and (total_sats > 0) = (purpose in ('payout', 'transfer'))),
  add check ((parent_id is not null) = (purpose = 'cpfp'));
comment on column batches.paid_version is
  'The version that the chain has; another one only where a reorganisation after settlement chose it.';
comment on column batches.watched_until_height is
  'A settled batch is looked at until the chain is this high, since a deep reorganisation could
   still undo it.';
create index batches_settled on batches (ended_ms) where state = 'settled';
create index batches_watched on batches (watched_until_height)
  where state = 'settled' and watched_until_height is not null;

-- Which wallet pays, what for, and whose approval it was count as much as the manifest: limits of
-- a day and entries are made of them.
create or replace function batch_keeps_its_manifest() returns trigger language plpgsql as $$
begin
  if (new.id, new.rail, new.manifest, new.manifest_hash, new.anchor_txid, new.anchor_vout,
      new.total_sats, new.fee_max_sats, new.created_ms, new.expires_ms,
      new.purpose, new.wallet, new.parent_id)
     is distinct from
     (old.id, old.rail, old.manifest, old.manifest_hash, old.anchor_txid, old.anchor_vout,
      old.total_sats, old.fee_max_sats, old.created_ms, old.expires_ms,
      old.purpose, old.wallet, old.parent_id) then
    raise exception 'a batch keeps its manifest' using errcode = 'restrict_violation';
  end if;
  if old.auto_approved and not new.auto_approved then
    raise exception 'a batch that the pool approved alone stays one'
      using errcode = 'restrict_violation';
  end if;
  if old.state in ('settled', 'released') and new.state <> old.state then
    raise exception 'a % batch has ended', old.state using errcode = 'restrict_violation';
  end if;
  return new;
end $$;

alter table payouts
  add column fee_sats bigint not null default 0 check (fee_sats >= 0),
  add column destination text;
comment on column payouts.amount_sats is
  'What the destination gets. What is reserved, and no longer owed once settled, is this and fee_sats.';
comment on column payouts.fee_sats is
  'The payee''s part of the network fee where the scheme says so, fixed when planned.';
comment on column payouts.destination is
  'Where it goes, fixed when planned; null for payouts older than payout settings: the payee''s own.';

-- What a payout asks for never changes; only how far it is does.
create function payout_keeps_its_amount() returns trigger language plpgsql as $$
begin
  if (new.id, new.account_id, new.batch_id, new.amount_sats, new.fee_sats, new.destination,
      new.planned_ms, new.planned_height)
     is distinct from
     (old.id, old.account_id, old.batch_id, old.amount_sats, old.fee_sats, old.destination,
      old.planned_ms, old.planned_height) then
    raise exception 'a payout keeps its amount' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger keeps_its_amount before update on payouts
  for each row execute function payout_keeps_its_amount();

create table version_coins (
  batch_id bigint not null,
  version integer not null,
  input integer not null check (input >= 0),
  txid hash_hex not null,
  vout integer not null check (vout >= 0),
  primary key (batch_id, version, input),
  foreign key (batch_id, version) references batch_versions
);
comment on table version_coins is
  'The coins that each version spends, input 0 the anchor: a later version may leave one out that is
   gone, or add one, but never the anchor.';

-- Two versions of one batch that spent no common coin could both confirm.
create function version_spends_its_anchor() returns trigger language plpgsql as $$
begin
  if not exists (
    select from version_coins c join batches b on b.id = c.batch_id
     where c.batch_id = new.batch_id and c.version = new.version and c.input = 0
       and c.txid = b.anchor_txid and c.vout = b.anchor_vout) then
    raise exception 'version % of batch % does not spend its anchor', new.version, new.batch_id
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger spends_its_anchor after insert on batch_versions
  deferrable initially deferred for each row execute function version_spends_its_anchor();

create table version_signatures (
  batch_id bigint not null,
  version integer not null,
  psbt_hash hash_hex not null,
  psbt bytea not null check (length(psbt) <= 4000000),
  given_by text not null check (length(given_by) between 1 and 100),
  given_ms unix_ms not null,
  primary key (batch_id, version, psbt_hash),
  foreign key (batch_id, version) references batch_versions
);
comment on table version_signatures is
  'Signed PSBTs of a version as co-signers gave them; they are combined when enough are there.';

create table float_coins (
  txid hash_hex not null,
  vout integer not null check (vout >= 0),
  wallet text not null check (wallet in ('hot', 'cold')),
  value_sats bigint not null check (value_sats > 0),
  script bytea not null,
  origin text not null check (origin in ('coinbase', 'change', 'transfer', 'capital')),
  journal_key text not null,
  noted_ms unix_ms not null,
  primary key (txid, vout)
);
comment on table float_coins is
  'Outputs that are ours to spend, each with the journal entry that booked it. A coin that somebody
   pushed into a wallet is not here, so it is neither spent nor counted.';

create table float_spends (
  txid hash_hex not null,
  vout integer not null check (vout >= 0),
  batch_id bigint not null,
  version integer not null,
  noted_ms unix_ms not null,
  primary key (txid, vout, batch_id, version),
  foreign key (batch_id, version) references batch_versions
);
create index float_spends_by_batch on float_spends (batch_id, version);
comment on table float_spends is
  'What a settled batch has spent, written with the coins that it left us: until then its coins are
   still open, and the batch is on its way. What its paid_version spent and left counts; where a
   reorganisation chooses another version, its rows come beside the others.';

create table float_losses (
  txid hash_hex not null,
  vout integer not null check (vout >= 0),
  journal_key text not null unique,
  reason text not null check (length(reason) between 1 and 500),
  noted_ms unix_ms not null,
  primary key (txid, vout),
  foreign key (txid, vout) references float_coins
);
comment on table float_losses is
  'Coins that an operator wrote off after something that is no version of a batch had spent them for
   good. Written once by payouts.';

create table float_checks (
  wallet text primary key check (wallet in ('hot', 'cold')),
  at_ms unix_ms not null,
  since_block hash_hex,
  ledger_msat bigint not null,
  chain_sats bigint not null,
  reserved_sats bigint not null,
  on_way_sats bigint not null,
  foreign_sats bigint not null,
  foreign_coins jsonb not null,
  finding text check (length(finding) between 1 and 500)
);
comment on table float_checks is
  'What the last comparison of each wallet with the books has seen; no finding means that they
   agree. Transactions of the wallet up to since_block are explained; on_way_sats is what batches on
   their way add to the open coins, most often below zero.';

create table payout_settings (
  id bigint generated always as identity primary key,
  payee_id bigint not null references payees,
  number integer not null check (number > 0),
  rails jsonb not null,
  paused boolean not null,
  fee_rate_max_sat_per_kvb bigint check (fee_rate_max_sat_per_kvb > 0),
  proof text not null check (proof in ('bip322', 'legacy', 'ed25519', 'operator')),
  message text not null check (length(message) <= 4000),
  signature text not null check (length(signature) <= 4000),
  operator_key hash_hex,
  reason text not null check (length(reason) <= 500),
  given_ms unix_ms not null,
  pays_from_ms unix_ms not null,
  destinations_key hash_hex,
  unique (payee_id, number),
  check ((proof = 'operator') = (operator_key is not null)),
  check (proof = 'operator' or destinations_key is null)
);
comment on table payout_settings is
  'How a payee wants to be paid; the highest number holds. Each row was proven by the payee''s key or
   is an operator''s with a reason, and a new destination is paid from pays_from_ms on.';
comment on column payout_settings.destinations_key is
  'The operator on whose word alone the destinations stand; null once the payee has signed them.';

create table payout_requests (
  id bigint generated always as identity primary key,
  account_id bigint not null references accounts,
  asked_ms unix_ms not null,
  payout_id bigint references payouts,
  ended_ms unix_ms
);
create unique index payout_requests_live on payout_requests (account_id) where ended_ms is null;
create index payout_requests_by_account on payout_requests (account_id, asked_ms desc);
comment on table payout_requests is
  'Payouts asked for outside the interval. Ends when a payout is planned for the account.';

create trigger written_once before update or delete on operator_acts
  for each row execute function refuse_change();
create trigger never_emptied before truncate on operator_acts
  for each statement execute function refuse_change();
create table journal_unchained (
  journal_id bigint primary key references journal
);
comment on table journal_unchained is
  'Entries without a place in the hash chain yet, so that the chain''s writer finds them however
   long the journal is. A row comes with its entry and goes with its place.';
insert into journal_unchained
  select id from journal where not exists (select from journal_chain where journal_id = id);

create function entry_waits_for_its_place() returns trigger language plpgsql as $$
begin
  insert into journal_unchained select id from added;
  return null;
end $$;
create trigger waits_for_its_place after insert on journal
  referencing new table as added for each statement execute function entry_waits_for_its_place();

-- A foreign key looks up and locks its target for one row after the other: more than half of the
-- time of a batch, which has two legs for each of a thousand payouts. One look at all rows of a
-- statement says the same, as what is named never goes and never gets another id.
create function names_what_is_there() returns trigger language plpgsql as $$
begin
  if tg_table_name = 'payouts' then
    if exists (select from added where not exists (select from accounts where id = added.account_id))
       or exists (select from added where not exists (select from batches where id = added.batch_id)) then
      raise exception 'a payout has its account and its batch' using errcode = 'foreign_key_violation';
    end if;
  elsif exists (select from added
                 where not exists (select from ledger_accounts where id = added.account_id)) then
    raise exception '% have an account', tg_table_name using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;

create function refuse_removal() returns trigger language plpgsql as $$
begin
  raise exception '% rows never go', tg_table_name using errcode = 'restrict_violation';
end $$;

create or replace function legs_come_with_their_entry() returns trigger language plpgsql as $$
begin
  if exists (select from added where not exists (
       select from journal
        where id = added.journal_id and transaction = pg_current_xact_id())) then
    raise exception 'a leg comes with its entry or never' using errcode = 'restrict_violation';
  end if;
  return null;
end $$;

alter table legs drop constraint legs_journal_id_fkey, drop constraint legs_account_id_fkey;
alter table ledger_balances drop constraint ledger_balances_account_id_fkey;
alter table payouts
  drop constraint payouts_account_id_fkey,
  drop constraint payouts_batch_id_fkey;
create trigger names_what_is_there after insert on legs
  referencing new table as added for each statement execute function names_what_is_there();
create trigger names_what_is_there after insert on ledger_balances
  referencing new table as added for each statement execute function names_what_is_there();
create trigger names_what_is_there after insert on payouts
  referencing new table as added for each statement execute function names_what_is_there();
create trigger written_once before update or delete on ledger_accounts
  for each row execute function refuse_change();
create trigger never_emptied before truncate on ledger_accounts
  for each statement execute function refuse_change();
create trigger keeps_its_account before update on ledger_balances
  for each row when (new.account_id <> old.account_id) execute function refuse_change();
create trigger never_goes before delete on accounts
  for each row execute function refuse_removal();
create trigger never_emptied before truncate on accounts
  for each statement execute function refuse_removal();
create trigger keeps_its_id before update on accounts
  for each row when (new.id <> old.id) execute function refuse_change();
create trigger never_goes before delete on batches
  for each row execute function refuse_removal();
create trigger never_emptied before truncate on batches
  for each statement execute function refuse_removal();

-- A batch moves the balances of a whole page at once; with room beside them no index is written.
alter table ledger_balances set (fillfactor = 45);

create trigger written_once before update or delete on freeze_acts
  for each row execute function refuse_change();
create trigger never_emptied before truncate on freeze_acts
  for each statement execute function refuse_change();
create trigger written_once before update or delete on audit_events
  for each row execute function refuse_change();
create trigger never_emptied before truncate on audit_events
  for each statement execute function refuse_change();
create trigger written_once before update or delete on payout_settings
  for each row execute function refuse_change();
create trigger never_emptied before truncate on payout_settings
  for each statement execute function refuse_change();
create trigger written_once before update or delete on version_coins
  for each row execute function refuse_change();
create trigger written_once before update or delete on version_signatures
  for each row execute function refuse_change();
create trigger written_once before update or delete on float_coins
  for each row execute function refuse_change();
create trigger written_once before update or delete on float_spends
  for each row execute function refuse_change();
create trigger written_once before update or delete on float_losses
  for each row execute function refuse_change();
create trigger written_once before update or delete on policies
  for each row execute function refuse_change();

grant usage on all sequences in schema public to sidepool_app;
grant select, insert on operators, operator_keys, operator_acts, access_tokens,
  first_admin_tokens, auth_failures, policies, freeze_acts, audit_events, signer_heads,
  version_coins, version_signatures, float_coins, float_spends, float_losses, float_checks,
  payout_settings,
  payout_requests to sidepool_app;
grant select, insert, delete on journal_unchained to sidepool_app;
grant update on operators, operator_keys, access_tokens, first_admin_tokens, auth_failures,
  float_checks, payout_requests to sidepool_app;
grant delete on auth_failures to sidepool_app;
