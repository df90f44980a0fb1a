-- How long what was sent over Lightning is kept from coming to its end.

alter table ln_attempts
  add column on_way_ms unix_ms,
  add column held_ms unix_ms;
comment on column ln_attempts.on_way_ms is
  'Since when every look-up has found a part of it on its way; null where the last one did not.';
comment on column ln_attempts.held_ms is
  'When it had been on its way for ten minutes: somebody held it, most likely its payee. Two of a
   destination within thirty days send its accounts to their next rail. Stays once it is written.';
create index ln_attempts_held on ln_attempts (held_ms) where held_ms is not null;
