alter table batches
  drop constraint batches_purpose_check,
  drop constraint batches_check1,
  add constraint batches_purpose_check check (purpose in
    ('payout', 'transfer', 'consolidation', 'cpfp', 'deposit', 'withdrawal')),
  add constraint batches_pay_by_purpose check (total_sats >= 0
    and (total_sats > 0) = (purpose in ('payout', 'transfer', 'deposit', 'withdrawal')));
