-- What was mined: who connected, which work went out, every accepted share, and what it adds up to.
-- The pool's roles write here (stratum, accounting). Knows no money but a block's own value.
-- Times are Unix milliseconds. Hashes as text are 64 lower-case hex digits in display order; a hash
-- as bytea has the same order of bytes, so that encode(hash, 'hex') is how people write it.

create domain hash_hex as text check (value ~ '^[0-9a-f]{64}$');
create domain unix_ms as bigint check (value >= 0);
-- Work in expected hashes. One mainnet block is about 5e23, so sums pass 64 bits.
create domain work as numeric(39, 0) check (value >= 0);

create table payees (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('bitcoin', 'thunder', 'lightning')),
  destination text not null unique check (length(destination) between 1 and 320),
  created_ms unix_ms not null
);
comment on table payees is
  'A payout destination in canonical form (an address in its one spelling). Written by payouts.';

create table accounts (
  id bigint generated always as identity primary key,
  payee_id bigint not null references payees,
  scheme text not null check (length(scheme) between 1 and 40),
  created_ms unix_ms not null,
  unique (payee_id, scheme)
);
comment on table accounts is 'Payee x scheme. Written by payouts when a miner authorizes.';

create table workers (
  id bigint generated always as identity primary key,
  account_id bigint not null references accounts,
  name text not null check (length(name) <= 63),
  created_ms unix_ms not null,
  unique (account_id, name)
);
comment on table workers is 'A name under an account; empty where none was given. Written by stratum.';

-- Each stratum process takes the next run; ids it makes itself begin with it and never repeat.
create sequence stratum_runs as bigint minvalue 1;
-- Two leading bytes of extranonce1, leased in turn; a process takes another when one is used up.
create sequence extranonce_prefixes as bigint minvalue 0 maxvalue 65535 cycle;

create table sessions (
  id bigint generated always as identity primary key,
  resume_token bytea not null unique check (length(resume_token) = 8),
  extranonce1 bytea not null check (length(extranonce1) = 4),
  scheme text not null,
  account_id bigint references accounts,
  host text not null,
  port integer not null check (port between 1 and 65535),
  agent text not null check (length(agent) <= 200),
  difficulties jsonb not null,
  opened_ms unix_ms not null,
  last_seen_ms unix_ms not null,
  closed_ms unix_ms
);
create index sessions_by_extranonce1 on sessions (extranonce1, id desc);
comment on table sessions is
  'A connection''s extranonce1 lease, committed before its first job, so that a coinbase names its
   finder. Written by stratum; the account is set once, at the first authorize. Difficulties are
   pairs [from_ms, difficulty_log2]: a job made from then on is enforced at that difficulty, so a
   restart judges a share as before.';

create table templates (
  id bigint primary key check (id > 0),
  height integer not null check (height > 0),
  previous_block hash_hex not null,
  version bigint not null,
  bits bigint not null,
  target bytea not null check (length(target) = 32),
  min_time bigint not null,
  cur_time bigint not null,
  value_sats bigint not null check (value_sats >= 0),
  subsidy_sats bigint not null check (subsidy_sats between 0 and value_sats),
  merkle_branches bytea[] not null,
  witness_commitment bytea,
  transactions bytea,
  received_ms unix_ms not null
);
create index templates_with_transactions on templates (received_ms) where transactions is not null;
comment on table templates is
  'A node''s block template. Target has its most significant byte first. Transactions are those
   after the coinbase, in block form, kept only while a job on them can still win. Written by stratum.';

create table jobs (
  id bigint primary key check (id > 0),
  template_id bigint not null references templates,
  coinbase1 bytea not null,
  coinbase2 bytea not null,
  created_ms unix_ms not null
);
create index jobs_by_template on jobs (template_id);
comment on table jobs is
  'Work as it was sent: a coinbase is coinbase1, extranonce1, extranonce2, coinbase2. Written by
   stratum, in the same commit as the first share on it at the latest.';

create table epochs (
  id bigint primary key check (id > 0),
  opened_ms unix_ms not null,
  block_target bytea not null check (length(block_target) = 32),
  subsidy_sats bigint not null check (subsidy_sats >= 0),
  closed_ms unix_ms check (closed_ms >= opened_ms),
  close_reason text check (close_reason in ('time', 'block', 'target', 'subsidy')),
  check ((closed_ms is null) = (close_reason is null))
);
create unique index epochs_open on epochs ((true)) where closed_ms is null;
comment on table epochs is
  'One sequence without gaps; exactly one is open. A share''s commit holds the open row FOR SHARE,
   the closer takes it FOR UPDATE, so no late commit falls between two. Written by accounting.';

create table shares (
  height integer not null,
  hash bytea not null check (length(hash) = 32),
  epoch_id bigint not null,
  account_id bigint not null,
  worker_id bigint not null,
  session_id bigint not null,
  job_id bigint not null,
  difficulty_log2 smallint not null,
  header bytea not null check (length(header) = 80),
  extranonce2 bytea not null check (length(extranonce2) = 8),
  received_ms bigint not null,
  primary key (height, hash)
) partition by range (height);
-- Shares arrive in the order of epochs, so a block range index finds an epoch at almost no cost.
create index shares_by_epoch on shares using brin (epoch_id) with (pages_per_range = 16);
comment on table shares is
  'Accepted work. A share is its header''s hash, unique within its job''s height; the difficulty is
   the one enforced for its job, as a power of two. Written by stratum, in groups, before the reply;
   by accounting where a crash lost the share of a block, then with job 0 if the job is lost too.
   No foreign keys: they would be checked per share; sidepool audit checks them per epoch instead.';

create table rejects (
  epoch_id bigint not null,
  session_id bigint not null,
  account_id bigint not null,
  worker_id bigint not null,
  reason text not null check (length(reason) <= 40),
  count bigint not null check (count > 0),
  primary key (epoch_id, session_id, worker_id, reason)
);
create index rejects_by_account on rejects (account_id, epoch_id);
comment on table rejects is 'Refused shares, counted by reason. Written by stratum with each group.';

create table block_candidates (
  hash hash_hex not null,
  node text not null,
  height integer not null,
  job_id bigint not null,
  session_id bigint not null,
  answer text not null check (length(answer) <= 500),
  submitted_ms unix_ms not null,
  primary key (hash, node)
);
comment on table block_candidates is
  'Every header that met the block target, with what each node said of it (accepted, or its words).
   Written by stratum after the submission.';

create table blocks (
  hash hash_hex primary key,
  height integer not null,
  epoch_id bigint not null references epochs,
  session_id bigint references sessions,
  account_id bigint references accounts,
  scheme text not null,
  value_sats bigint not null check (value_sats >= 0),
  work work not null,
  found_ms unix_ms not null,
  recovered boolean not null
);
create index blocks_by_epoch on blocks (epoch_id);
create index blocks_by_height on blocks (height, hash);
comment on table blocks is
  'A block of ours that a node accepted, or that was found on the chain after a crash (recovered).
   Without an account the finder is unknown and the block is the pool''s. Written by stratum and
   accounting; what becomes of it stands in block_fates.';

create table block_fates (
  id bigint generated always as identity primary key,
  block_hash hash_hex not null references blocks,
  seq integer not null check (seq > 0),
  fate text not null check (fate in ('found', 'orphaned', 'mature')),
  tip_height integer not null,
  decided_ms unix_ms not null,
  unique (block_hash, seq)
);
comment on table block_fates is
  'found -> mature, or found -> orphaned -> found again: each change is a new row, read in order of
   id by payouts. Written by accounting only, one transaction at a time.';

create table tips (
  height integer primary key,
  hash hash_hex not null,
  previous_block hash_hex not null,
  time_ms unix_ms not null,
  seen_ms unix_ms not null,
  checked_ms unix_ms
);
create index tips_unchecked on tips (height) where checked_ms is null;
comment on table tips is
  'The main chain as last seen, one row a height, rewritten from the fork on when it reorganises.
   Gives block intervals their length. Checked once it was looked at for a block of ours that no
   process booked. Written by accounting.';

create table work_statements (
  epoch_id bigint primary key references epochs,
  hash hash_hex not null unique,
  previous_hash hash_hex unique,
  bytes bytea not null,
  created_ms unix_ms not null
);
comment on table work_statements is
  'The canonical bytes of each epoch''s work statement, chained by hash. Written once by accounting.';

create table worker_work (
  epoch_id bigint not null references epochs,
  height integer not null,
  worker_id bigint not null references workers,
  account_id bigint not null references accounts,
  shares bigint not null check (shares > 0),
  work work not null,
  primary key (epoch_id, height, worker_id)
);
create index worker_work_by_height on worker_work (height);
create index worker_work_by_account on worker_work (account_id, height);
comment on table worker_work is
  'Work of each worker in each block interval, added up when its epoch closes; hash rates come from
   it and outlive the shares. Written by accounting with the statement.';

-- Rows that prove the past are written once.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% rows are written once', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger written_once before update or delete on work_statements
  for each row execute function refuse_change();
create trigger never_emptied before truncate on work_statements
  for each statement execute function refuse_change();
create trigger written_once before update or delete on block_fates
  for each row execute function refuse_change();
create trigger never_emptied before truncate on block_fates
  for each statement execute function refuse_change();

-- Partitions of shares cover 1008 heights each. The processes own no table, so
-- they make and drop partitions through these two functions only.
create function ensure_share_partition(of_height integer) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  first integer := (of_height / 1008) * 1008;
begin
  if to_regclass(format('shares_%s', first)) is not null then return; end if;
  perform pg_advisory_xact_lock(hashtext('ensure_share_partition'));
  execute format('create table if not exists shares_%s partition of shares for values from (%s) to (%s)',
    first, first, first + 1008);
end $$;

create function drop_share_partitions(below_height integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  partition record;
  dropped integer := 0;
begin
  for partition in
    select c.relname, substring(c.relname from 'shares_(\d+)$')::integer as first
      from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'shares'::regclass
  loop
    if partition.first + 1008 <= below_height then
      execute format('drop table %I', partition.relname);
      dropped := dropped + 1;
    end if;
  end loop;
  return dropped;
end $$;
revoke execute on function ensure_share_partition, drop_share_partitions from public;

grant usage on all sequences in schema public to sidepool_app;
grant select, insert on all tables in schema public to sidepool_app;
grant update on sessions, templates, epochs, rejects, block_candidates, tips to sidepool_app;
grant delete on tips, templates, jobs to sidepool_app;
grant execute on function ensure_share_partition, drop_share_partitions to sidepool_app;
