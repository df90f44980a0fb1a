alter table batches
  drop constraint batches_purpose_check,
  drop constraint batches_check1,
  add constraint batches_purpose_check check (purpose in
    ('payout', 'transfer', 'consolidation', 'cpfp', 'deposit', 'withdrawal')),
  add constraint batches_pay_by_purpose check (total_sats >= 0
    and (total_sats > 0) = (purpose in ('payout', 'transfer', 'deposit', 'withdrawal')));

create table bridge_moves (
  batch_id bigint primary key references batches,
  amount_sats bigint not null check (amount_sats > 0),
  address text not null check (length(address) between 20 and 28),
  state text not null check (state in ('transit', 'credited')),
  txid hash_hex not null,
  vout integer not null check (vout >= 0),
  turn integer not null check (turn >= 0),
  changed_ms unix_ms not null,
  check (state = 'transit' or turn > 0)
);
create index bridge_moves_in_transit on bridge_moves (batch_id) where state = 'transit';
comment on table bridge_moves is
  'Deposits to Thunder that the main chain has for good, and whether Thunder has credited them; turn
   counts how often it has, since a reorganisation can undo it. Each change comes with its entry.
   Written by bridges.';

create trigger keeps_its_amount before update on bridge_moves
  for each row when ((new.batch_id, new.amount_sats, new.address)
                     is distinct from (old.batch_id, old.amount_sats, old.address))
  execute function refuse_change();
create trigger never_goes before delete on bridge_moves
  for each row execute function refuse_removal();
create trigger never_emptied before truncate on bridge_moves
  for each statement execute function refuse_removal();

grant select, insert, update on bridge_moves to sidepool_app;
