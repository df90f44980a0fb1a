-- Payments that lnd takes for on their way for ever, and that no channel carries.

alter table ln_attempts rename column not_found_ms to gone_ms;
comment on column ln_attempts.gone_ms is
  'Since when every look-up that told anything has said that it is nowhere: lnd knows nothing of it,
   or takes it for on its way though its time is over and no channel carries it.';
