-- The only truth about money: double entry in millisatoshis, append-only, hash-chained.
-- Written by the ledger room only. A leg is positive for a debit and negative for a credit.

create table ledger_accounts (
  id bigint generated always as identity primary key,
  name text not null unique check (name ~ '^[a-z0-9_:.-]{1,80}$'),
  kind text not null check (kind in ('asset', 'liability', 'income', 'expense', 'equity'))
);
comment on table ledger_accounts is 'The chart of accounts; a row comes with an account''s first entry.';

create table journal (
  id bigint generated always as identity primary key,
  key text not null unique check (length(key) between 1 and 200),
  request_hash hash_hex not null,
  event text not null check (length(event) between 1 and 40),
  posted_ms unix_ms not null,
  transaction xid8 not null default pg_current_xact_id()
);
comment on table journal is
  'One entry for one event. The key says what it is for, so a repeat is recognised; the request hash
   tells a repeat from another entry under the same key.';

create table legs (
  journal_id bigint not null references journal,
  leg integer not null check (leg >= 0),
  account_id bigint not null references ledger_accounts,
  amount_msat bigint not null
    check (amount_msat <> 0 and abs(amount_msat) <= 2100000000000000000),
  primary key (journal_id, leg)
);
create index legs_by_account on legs (account_id, journal_id);
comment on table legs is 'Debit positive, credit negative, in millisatoshis; an entry''s legs sum to zero.';

create table ledger_balances (
  account_id bigint primary key references ledger_accounts,
  kind text not null,
  amount_msat bigint not null,
  constraint never_overdrawn check (case kind
    when 'asset' then amount_msat >= 0
    when 'expense' then amount_msat >= 0
    when 'liability' then amount_msat <= 0
    else true end)
);
comment on table ledger_balances is
  'Sum of an account''s legs, kept in the same transaction; never below what its kind allows.';

create table journal_chain (
  position bigint primary key check (position > 0),
  journal_id bigint not null unique references journal,
  hash hash_hex not null unique
);
comment on table journal_chain is
  'hash(n) = sha256(hash(n-1) || canonical bytes of entry n). One writer, behind the commits, so
   that entries need not wait for each other.';

create function entry_must_balance() returns trigger language plpgsql as $$
begin
  if (select count(*) < 2 or sum(amount_msat) <> 0 from legs where journal_id = new.id) then
    raise exception 'journal entry % does not balance', new.key using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger balanced after insert on journal
  deferrable initially deferred for each row execute function entry_must_balance();

-- The balance is checked at the entry's commit, so no leg may join an entry later.
create function legs_come_with_their_entry() returns trigger language plpgsql as $$
begin
  if exists (select from added join journal on journal.id = added.journal_id
              where journal.transaction <> pg_current_xact_id()) then
    raise exception 'a leg comes with its entry or never' using errcode = 'restrict_violation';
  end if;
  return null;
end $$;
create trigger with_their_entry after insert on legs
  referencing new table as added for each statement execute function legs_come_with_their_entry();

create trigger written_once before update or delete on journal
  for each row execute function refuse_change();
create trigger never_emptied before truncate on journal
  for each statement execute function refuse_change();
create trigger written_once before update or delete on legs
  for each row execute function refuse_change();
create trigger never_emptied before truncate on legs
  for each statement execute function refuse_change();
create trigger written_once before update or delete on journal_chain
  for each row execute function refuse_change();
create trigger never_emptied before truncate on journal_chain
  for each statement execute function refuse_change();

grant usage on all sequences in schema public to sidepool_app;
grant select, insert on ledger_accounts, journal, legs, ledger_balances, journal_chain
  to sidepool_app;
grant update on ledger_balances to sidepool_app;
