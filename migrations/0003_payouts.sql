-- From statement to money: what each block or epoch earned, who is due, and every batch that leaves.
-- Written by payouts; approvals by treasury.

create table reward_statements (
  number bigint primary key check (number > 0),
  reward_pool text not null,
  epoch_id bigint not null references epochs,
  block_hash hash_hex references blocks,
  height integer not null,
  hash hash_hex not null unique,
  previous_hash hash_hex unique,
  bytes bytea not null,
  created_ms unix_ms not null
);
create unique index reward_statements_of_block on reward_statements (block_hash)
  where block_hash is not null;
create unique index reward_statements_of_epoch on reward_statements (reward_pool, epoch_id)
  where block_hash is null;
comment on table reward_statements is
  'The canonical bytes of each reward statement, chained by hash: one for a found block, or one for
   an epoch where the method pays work at once. Written once by payouts.';

create table reward_lines (
  statement_number bigint not null references reward_statements,
  account_id bigint not null references accounts,
  amount_msat bigint not null check (amount_msat >= 0),
  primary key (account_id, statement_number)
);
comment on table reward_lines is 'The lines of reward statements again, to be found by account.';

create table credit_progress (
  name text primary key check (name in ('statements', 'fates')),
  done bigint not null check (done >= 0)
);
comment on table credit_progress is
  'How far payouts has read closed epochs and block fates. Moves in the same commit as the credit.';

create table batches (
  id bigint generated always as identity primary key,
  rail text not null,
  state text not null check (state in
    ('planned', 'approved', 'prepared', 'sent', 'uncertain', 'settled', 'released')),
  manifest bytea not null,
  manifest_hash hash_hex not null unique,
  anchor_txid hash_hex not null,
  anchor_vout integer not null check (anchor_vout >= 0),
  total_sats bigint not null check (total_sats > 0),
  fee_max_sats bigint not null check (fee_max_sats >= 0),
  created_ms unix_ms not null,
  expires_ms unix_ms not null check (expires_ms > created_ms),
  ended_ms unix_ms,
  note text not null default '' check (length(note) <= 500),
  lease_owner text,
  lease_until timestamptz,
  fence bigint not null default 0
);
create index batches_live on batches (state) where state not in ('settled', 'released');
comment on table batches is
  'What an operator approves. The manifest never changes; the note says why a batch waits or ended.
   Who works on a batch holds its lease by the database''s clock and commits with its fence.';

create function batch_keeps_its_manifest() returns trigger language plpgsql as $$
begin
  if (new.id, new.rail, new.manifest, new.manifest_hash, new.anchor_txid, new.anchor_vout,
      new.total_sats, new.fee_max_sats, new.created_ms, new.expires_ms)
     is distinct from
     (old.id, old.rail, old.manifest, old.manifest_hash, old.anchor_txid, old.anchor_vout,
      old.total_sats, old.fee_max_sats, old.created_ms, old.expires_ms) then
    raise exception 'a batch keeps its manifest' using errcode = 'restrict_violation';
  end if;
  if old.state in ('settled', 'released') and new.state <> old.state then
    raise exception 'a % batch has ended', old.state using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger keeps_its_manifest before update on batches
  for each row execute function batch_keeps_its_manifest();

create table payouts (
  id bigint generated always as identity primary key,
  account_id bigint not null references accounts,
  batch_id bigint not null references batches,
  amount_sats bigint not null check (amount_sats > 0),
  state text not null check (state in
    ('planned', 'approved', 'prepared', 'sent', 'uncertain', 'settled', 'released')),
  planned_ms unix_ms not null,
  planned_height integer not null,
  ended_ms unix_ms,
  unique (batch_id, account_id)
);
create index payouts_by_account on payouts (account_id, id desc);
create unique index payouts_live on payouts (account_id)
  where state not in ('settled', 'released');
comment on table payouts is
  'One account''s part of a batch. An account has at most one that has not ended.';

create table batch_versions (
  batch_id bigint not null references batches,
  version integer not null check (version > 0),
  txid hash_hex not null unique,
  unsigned_psbt bytea not null,
  raw bytea,
  fee_sats bigint not null check (fee_sats >= 0),
  created_ms unix_ms not null,
  primary key (batch_id, version)
);
comment on table batch_versions is
  'The exact transactions of a batch, each spending its anchor. The txid is stored before signing,
   the signed bytes before anything is broadcast; a retry sends the same bytes.';

create function version_keeps_its_bytes() returns trigger language plpgsql as $$
begin
  if old.raw is not null or
     (new.batch_id, new.version, new.txid, new.unsigned_psbt, new.fee_sats, new.created_ms)
     is distinct from
     (old.batch_id, old.version, old.txid, old.unsigned_psbt, old.fee_sats, old.created_ms) then
    raise exception 'a version keeps its bytes' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger keeps_its_bytes before update on batch_versions
  for each row execute function version_keeps_its_bytes();

create table reserved_outputs (
  txid hash_hex not null,
  vout integer not null check (vout >= 0),
  batch_id bigint not null references batches,
  value_sats bigint not null check (value_sats > 0),
  script bytea not null,
  released_ms unix_ms,
  primary key (txid, vout, batch_id)
);
create unique index reserved_outputs_live on reserved_outputs (txid, vout)
  where released_ms is null;
comment on table reserved_outputs is
  'Coins that a batch may spend and nobody else. Our own record: a node forgets its locks.';

create table approvals (
  batch_id bigint not null references batches,
  operator_key hash_hex not null,
  act text not null check (act in ('approve', 'reject')),
  manifest_hash hash_hex not null,
  reason text not null check (length(reason) <= 500),
  signature bytea not null check (length(signature) = 64),
  given_ms unix_ms not null,
  primary key (batch_id, operator_key)
);
comment on table approvals is
  'BIP340 signatures of operators over the tagged hash of act and manifest. Written once, by treasury.';
create trigger written_once before update or delete on approvals
  for each row execute function refuse_change();
create trigger never_emptied before truncate on approvals
  for each statement execute function refuse_change();
create trigger written_once before update or delete on reward_statements
  for each row execute function refuse_change();
create trigger never_emptied before truncate on reward_statements
  for each statement execute function refuse_change();

grant usage on all sequences in schema public to sidepool_app;
grant select, insert on reward_statements, reward_lines, credit_progress, batches, payouts,
  batch_versions, reserved_outputs, approvals to sidepool_app;
grant update on credit_progress, batches, payouts, batch_versions, reserved_outputs to sidepool_app;
