-- Who may not connect for a while, because of what it did on earlier connections.

create table stratum_bans (
  subscriber text primary key check (length(subscriber) between 1 and 45),
  times integer not null check (times > 0),
  until_ms unix_ms not null
);
comment on table stratum_bans is
  'Addresses that are refused until a time, and how often that happened within a day of each other:
   an IPv4 address, or the first half of an IPv6 one. Written by stratum, each of whose processes
   reads it every half minute, so that a restart forgives nobody. Rows are removed a day after.';

grant select, insert, update, delete on stratum_bans to sidepool_app;
