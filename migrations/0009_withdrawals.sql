-- Money of ours that leaves Thunder for the main chain.

alter table batches
  add column main_fee_sats bigint not null default 0,
  add constraint batches_main_fee check (main_fee_sats between 0 and fee_max_sats
    and (main_fee_sats = 0 or purpose = 'withdrawal'));
comment on column batches.main_fee_sats is
  'What a withdrawal gives the main chain''s miners; part of the largest fee that was approved.';

-- The columns have one more in them; else it is what it was.
create or replace function batch_keeps_its_manifest() returns trigger language plpgsql as $$
begin
  if (new.id, new.rail, new.manifest, new.manifest_hash, new.anchor_txid, new.anchor_vout,
      new.total_sats, new.fee_max_sats, new.main_fee_sats, new.created_ms, new.expires_ms,
      new.purpose, new.wallet, new.parent_id)
     is distinct from
     (old.id, old.rail, old.manifest, old.manifest_hash, old.anchor_txid, old.anchor_vout,
      old.total_sats, old.fee_max_sats, old.main_fee_sats, old.created_ms, old.expires_ms,
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

alter table float_coins
  drop constraint float_coins_origin_check,
  add constraint float_coins_origin_check
    check (origin in ('coinbase', 'change', 'transfer', 'capital', 'withdrawal'));

create table bridge_withdrawals (
  batch_id bigint primary key references batches,
  amount_sats bigint not null check (amount_sats > 0),
  main_fee_sats bigint not null check (main_fee_sats >= 0),
  main_address text not null check (length(main_address) between 14 and 90),
  state text not null
    check (state in ('queued', 'bundled', 'voting', 'paid', 'arrived', 'final')),
  m6id hash_hex,
  bundles integer not null check (bundles >= 0),
  votes integer check (votes >= 0),
  votes_above integer check (votes_above > 0),
  txid hash_hex,
  vout integer check (vout > 0),
  value_sats bigint check (value_sats >= amount_sats),
  turn integer not null check (turn >= 0),
  changed_ms unix_ms not null,
  check ((m6id is null) = (bundles = 0)),
  check ((votes is null) = (votes_above is null)),
  check ((txid is null) = (vout is null) and (txid is null) = (value_sats is null)),
  check ((txid is not null) = (state in ('paid', 'arrived', 'final'))),
  check (turn > 0 or state not in ('arrived', 'final'))
);
create index bridge_withdrawals_open on bridge_withdrawals (batch_id) where state <> 'final';
comment on table bridge_withdrawals is
  'Withdrawals that Thunder has for good, and how far they are on the main chain: the bundle that had
   them last, its votes and how many bundles there were; once a bundle has paid, its coin there. turn
   counts how often that coin was booked, since a reorganisation can undo it; each booking comes with
   its entry. Written by bridges.';

create trigger keeps_its_amount before update on bridge_withdrawals
  for each row when ((new.batch_id, new.amount_sats, new.main_fee_sats, new.main_address)
                     is distinct from
                     (old.batch_id, old.amount_sats, old.main_fee_sats, old.main_address))
  execute function refuse_change();
create trigger never_goes before delete on bridge_withdrawals
  for each row execute function refuse_removal();
create trigger never_emptied before truncate on bridge_withdrawals
  for each statement execute function refuse_removal();

grant select, insert, update on bridge_withdrawals to sidepool_app;
