-- What blocks of ours accepted of sidechains (BIP 300, 301), and the side blocks that we offered.
-- Hashes of side blocks as text are 64 lower-case hex digits in the order of their bytes.

create table bmm_blocks (
  block_hash hash_hex primary key references blocks,
  read_ms unix_ms not null
);
comment on table bmm_blocks is
  'A block of ours whose M7s and M8s were read from the chain; only then is it booked, so that its
   entry knows which part of its value bids paid. Written once by accounting.';

create table bmm_bids (
  block_hash hash_hex not null references bmm_blocks,
  slot smallint not null check (slot between 0 and 255),
  side_block hash_hex not null,
  request_txid hash_hex,
  fee_sats bigint not null check (fee_sats >= 0),
  primary key (block_hash, slot),
  check (request_txid is not null or fee_sats = 0)
);
comment on table bmm_bids is
  'A side block that a block of ours accepted: by an M8 and its fee, or for nothing, which is how
   our own side blocks get in. The evidence is the block itself; its fate is the bid''s too.
   Written once by accounting.';

create table side_blocks (
  side_block hash_hex primary key,
  slot smallint not null check (slot between 0 and 255),
  previous_block hash_hex not null,
  height integer not null check (height > 0),
  body text not null,
  made_ms unix_ms not null,
  connected_ms unix_ms
);
create index side_blocks_by_height on side_blocks (height);
comment on table side_blocks is
  'A side block of our own node, kept from before its hash goes into a job until no job with it can
   win; body is what the node takes back. Written by stratum; accounting marks what it connected
   and drops what is too old.';

-- What was found before is booked as it was, without bids of its own.
insert into bmm_blocks select hash, found_ms from blocks;

create trigger written_once before update or delete on bmm_blocks
  for each row execute function refuse_change();
create trigger never_emptied before truncate on bmm_blocks
  for each statement execute function refuse_change();
create trigger written_once before update or delete on bmm_bids
  for each row execute function refuse_change();
create trigger never_emptied before truncate on bmm_bids
  for each statement execute function refuse_change();

grant select, insert on bmm_blocks, bmm_bids, side_blocks to sidepool_app;
grant update (connected_ms) on side_blocks to sidepool_app;
grant delete on side_blocks to sidepool_app;
