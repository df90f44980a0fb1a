-- Batches whose payees are paid each for itself, by payments over Lightning.

alter table batches
  alter column anchor_txid drop not null,
  alter column anchor_vout drop not null,
  add constraint batches_anchor check
    ((anchor_txid is null) = (rail = 'lightning') and (anchor_txid is null) = (anchor_vout is null));
comment on table batches is
  'What an operator approves. The manifest never changes; the note says why a batch waits or ended.
   Who works on a batch holds its lease by the database''s clock and commits with its fence. One over
   Lightning has no anchor: its payouts end each for itself, and it ends with the last of them.';

alter table payouts
  add column line integer check (line >= 0),
  add column failure text check (length(failure) between 1 and 500),
  add constraint payouts_failure check (failure is null or state = 'released');
create index payouts_failed on payouts (account_id, id desc) where failure is not null;
comment on column payouts.line is
  'Over Lightning its payee''s place in the manifest, from 0: payouts of one line are one payment.';
comment on column payouts.failure is
  'Why it could not be paid on the rail of its batch, though it was tried; its account is paid on
   the next rail of its own for a while. Null where it was paid, or never tried.';

create table ln_attempts (
  batch_id bigint not null references batches,
  payee integer not null check (payee >= 0),
  n integer not null check (n > 0),
  payment_hash hash_hex not null unique,
  invoice text not null check (length(invoice) between 1 and 7089),
  node_key text not null check (node_key ~ '^0[23][0-9a-f]{64}$'),
  amount_msat bigint not null check (amount_msat > 0),
  expires_ms unix_ms not null,
  state text not null check (state in ('prepared', 'called', 'settled', 'dead')),
  calls integer not null default 0 check (calls >= 0),
  not_found_ms unix_ms,
  preimage hash_hex,
  fee_msat bigint check (fee_msat >= 0),
  reason text not null default '' check (length(reason) <= 500),
  created_ms unix_ms not null,
  ended_ms unix_ms,
  primary key (batch_id, payee, n),
  check ((state = 'settled') = (preimage is not null)),
  check ((state = 'settled') = (fee_msat is not null)),
  check ((state in ('settled', 'dead')) = (ended_ms is not null))
);
-- Two invoices of one payee are never alive together, whatever a worker believes.
create unique index ln_attempts_live on ln_attempts (batch_id, payee)
  where state in ('prepared', 'called');
comment on table ln_attempts is
  'Each invoice that one payee of a batch was to be paid by. Written before it is called, with its
   hash, which no second row ever has; it is `called` before lnd may be, and `calls` counts what the
   signer has confirmed. One ends by proof alone, and only then the next is written. Payee is its place in the
   manifest, from 0; times are of our clock.';

create function attempt_keeps_its_invoice() returns trigger language plpgsql as $$
begin
  if (new.batch_id, new.payee, new.n, new.payment_hash, new.invoice, new.node_key,
      new.amount_msat, new.expires_ms, new.created_ms)
     is distinct from
     (old.batch_id, old.payee, old.n, old.payment_hash, old.invoice, old.node_key,
      old.amount_msat, old.expires_ms, old.created_ms) then
    raise exception 'an attempt keeps its invoice' using errcode = 'restrict_violation';
  end if;
  if old.state in ('settled', 'dead') then
    raise exception 'a % attempt has ended', old.state using errcode = 'restrict_violation';
  end if;
  if new.calls < old.calls or (old.state = 'called' and new.state = 'prepared') then
    raise exception 'what was called stays called' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger keeps_its_invoice before update on ln_attempts
  for each row execute function attempt_keeps_its_invoice();
create trigger never_deleted before delete on ln_attempts
  for each row execute function refuse_change();
create trigger never_emptied before truncate on ln_attempts
  for each statement execute function refuse_change();

create table ln_nodes (
  node_key text primary key check (node_key ~ '^0[23][0-9a-f]{64}$'),
  payment_index bigint not null check (payment_index >= 0),
  seen_ms unix_ms not null,
  forgot_ms unix_ms
);
comment on table ln_nodes is
  'The highest count of payments that each lnd of ours has shown. One that shows less was restored
   from a backup at forgot_ms or before, and nothing that it says of the past counts again.';

grant select, insert, update on ln_attempts, ln_nodes to sidepool_app;
