-- Coins on Thunder that are lost for good. What the owner puts in there needs no table of its own.

create table thunder_losses (
  txid hash_hex not null,
  vout integer not null check (vout >= 0),
  journal_key text not null unique,
  reason text not null check (length(reason) between 1 and 500),
  noted_ms unix_ms not null,
  primary key (txid, vout),
  foreign key (txid, vout) references thunder_coins
);
comment on table thunder_losses is
  'Coins on Thunder that an operator wrote off: something that is no version of a batch has spent them
   for good, or what made them is undone and nothing of ours brings it back. Written once by payouts.';
create trigger written_once before update or delete on thunder_losses
  for each row execute function refuse_change();
create trigger never_emptied before truncate on thunder_losses
  for each statement execute function refuse_change();

grant select, insert on thunder_losses to sidepool_app;
