-- Money of ours that becomes channels on Lightning.

alter table batches
  drop constraint batches_purpose_check,
  drop constraint batches_pay_by_purpose,
  add constraint batches_purpose_check check (purpose in
    ('payout', 'transfer', 'consolidation', 'cpfp', 'deposit', 'withdrawal', 'channel')),
  add constraint batches_pay_by_purpose check (total_sats >= 0
    and (total_sats > 0) = (purpose in
      ('payout', 'transfer', 'deposit', 'withdrawal', 'channel')));

create table channel_openings (
  batch_id bigint primary key references batches,
  amount_sats bigint not null check (amount_sats > 0),
  txid hash_hex not null unique,
  vout integer not null check (vout >= 0),
  peer text not null check (peer ~ '^0[23][0-9a-f]{64}$'),
  capacity_sats bigint not null check (capacity_sats > 0),
  left_sats bigint not null check (left_sats >= 0),
  fee_sats bigint not null check (fee_sats >= 0),
  opened_ms unix_ms not null,
  check (capacity_sats + left_sats + fee_sats = amount_sats)
);
comment on table channel_openings is
  'Channels that batches were for: the coin in lnd''s wallet became a channel at this outpoint with
   this peer, left over so much in that wallet, and cost this fee. Written once by bridges, with the
   entry that makes it float.';
create trigger written_once before update or delete on channel_openings
  for each row execute function refuse_change();
create trigger never_emptied before truncate on channel_openings
  for each statement execute function refuse_removal();

grant select, insert on channel_openings to sidepool_app;
