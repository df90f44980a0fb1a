-- A payment that lnd lost as it sent it was held by nobody; its payee must not be passed over for it.
comment on column ln_attempts.held_ms is
  'When it had been on its way for ten minutes: somebody held it, most likely its payee. Two of a
   destination within thirty days send its accounts to their next rail. Stays once it is written, but
   where the channels show that nobody holds it.';
