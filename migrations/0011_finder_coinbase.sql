-- Coinbases that pay their finder instead of the pool (solo, where the reward pool says so).

alter table sessions
  add column finder_script bytea check (length(finder_script) between 1 and 34),
  add column finder_fee_basis_points integer check (finder_fee_basis_points between 0 and 9999),
  add constraint sessions_finder_terms
    check ((finder_script is null) = (finder_fee_basis_points is null)
           and (finder_script is null or account_id is not null));
comment on table sessions is
  'A connection''s extranonce1 lease, committed before its first job, so that a coinbase names its
   finder. Written by stratum; the account is set once, at the first authorize, and with it whom the
   coinbases of its jobs pay: a finder''s script and the pool''s fee, or without them the pool alone.
   Difficulties are pairs [from_ms, difficulty_log2]: a job made from then on is enforced at that
   difficulty, so a restart judges a share as before.';

alter table blocks
  add column finder_sats bigint check (finder_sats >= 0),
  add column finder_fee_basis_points integer check (finder_fee_basis_points between 0 and 9999),
  add constraint blocks_finder_paid
    check ((finder_sats is null) = (finder_fee_basis_points is null)
           and (finder_sats is null or account_id is not null));
comment on table blocks is
  'A block of ours that a node accepted, or that was found on the chain after a crash (recovered).
   Without an account the finder is unknown and the block is the pool''s. Its value is what its
   coinbase pays the pool; what it paid its finder there, if it did, stands beside it and is never
   credited. Written by stratum and accounting; what becomes of it stands in block_fates.';
