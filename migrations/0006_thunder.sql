-- What a second rail needs: versions of any rail, the coins on Thunder that are ours to spend, and
-- a comparison with the books for each rail.

alter table batch_versions rename column unsigned_psbt to unsigned;
comment on column batch_versions.unsigned is
  'What is to be signed: a PSBT on the main chain, the bytes of the transaction on Thunder.';
comment on column batch_versions.raw is
  'What is sent: the signed transaction; on Thunder its bytes and, behind them, the authorizations.';

-- The column has another name in it; else it is what it was.
create or replace function version_keeps_its_bytes() returns trigger language plpgsql as $$
begin
  if old.raw is not null or
     (new.batch_id, new.version, new.txid, new.unsigned, new.fee_sats, new.created_ms)
     is distinct from
     (old.batch_id, old.version, old.txid, old.unsigned, old.fee_sats, old.created_ms) then
    raise exception 'a version keeps its bytes' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;

create table thunder_coins (
  txid hash_hex not null,
  vout integer not null check (vout >= 0),
  kind text not null check (kind in ('regular', 'coinbase', 'deposit')),
  address text not null check (length(address) between 20 and 28),
  value_sats bigint not null check (value_sats > 0),
  origin text not null check (origin in ('deposit', 'change', 'capital')),
  journal_key text not null,
  noted_ms unix_ms not null,
  primary key (txid, vout)
);
create index thunder_coins_by_address on thunder_coins (address);
comment on table thunder_coins is
  'Outputs on Thunder that are ours to spend, each with the journal entry that booked it: deposits by
   bridges, change and capital by payouts. A coin that somebody sent to an address of ours is not
   here, so it is neither spent nor counted. txid holds the outpoint''s hash, whatever its kind.';
create trigger written_once before update or delete on thunder_coins
  for each row execute function refuse_change();
create trigger never_emptied before truncate on thunder_coins
  for each statement execute function refuse_change();

-- Whether a coin is spent is asked by its name.
create index version_coins_by_name on version_coins (txid, vout);

alter table float_checks
  add column rail text not null default 'l1',
  drop constraint float_checks_pkey,
  add primary key (rail, wallet);
alter table float_checks alter column rail drop default;
comment on table float_checks is
  'What the last comparison of each wallet of each rail with the books has seen; no finding means
   that they agree. Transactions of a main-chain wallet up to since_block are explained; on_way_sats
   is what batches on their way add to the open coins, most often below zero.';

grant select, insert on thunder_coins to sidepool_app;
