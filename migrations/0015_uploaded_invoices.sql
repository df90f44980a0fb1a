-- Invoices that miners bring themselves, each for one payment.

create table uploaded_invoices (
  id bigint generated always as identity primary key,
  account_id bigint not null references accounts,
  number integer not null check (number > 0),
  payment_hash hash_hex not null unique,
  invoice text not null check (length(invoice) between 1 and 2000),
  amount_sats bigint not null check (amount_sats > 0),
  proof text not null check (proof in ('bip322', 'legacy', 'ed25519')),
  message text not null check (length(message) <= 4000),
  signature text not null check (length(signature) <= 4000),
  uploaded_ms unix_ms not null,
  pays_from_ms unix_ms not null,
  lapses_ms unix_ms not null,
  payout_id bigint references payouts,
  ended_ms unix_ms,
  unique (account_id, number),
  check (payout_id is null or ended_ms is not null)
);
create unique index uploaded_invoices_live on uploaded_invoices (account_id)
  where ended_ms is null;
create index uploaded_invoices_by_payout on uploaded_invoices (payout_id)
  where payout_id is not null;
comment on table uploaded_invoices is
  'Invoices (BOLT 11) that payees have proven to be where an account is paid next, written by payouts.
   One ends when a payout is planned to it, whatever becomes of that, or when it has lapsed; its hash
   is never taken again. Planned from pays_from_ms on, and until lapses_ms.';

create function uploaded_invoice_ends_once() returns trigger language plpgsql as $$
begin
  if (new.id, new.account_id, new.number, new.payment_hash, new.invoice, new.amount_sats,
      new.proof, new.message, new.signature, new.uploaded_ms, new.pays_from_ms, new.lapses_ms)
     is distinct from
     (old.id, old.account_id, old.number, old.payment_hash, old.invoice, old.amount_sats,
      old.proof, old.message, old.signature, old.uploaded_ms, old.pays_from_ms, old.lapses_ms) then
    raise exception 'an invoice stays as it was uploaded' using errcode = 'restrict_violation';
  end if;
  if old.ended_ms is not null then
    raise exception 'an uploaded invoice is for one payment' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger ends_once before update on uploaded_invoices
  for each row execute function uploaded_invoice_ends_once();
create trigger never_deleted before delete on uploaded_invoices
  for each row execute function refuse_change();
create trigger never_emptied before truncate on uploaded_invoices
  for each statement execute function refuse_change();

grant select, insert, update on uploaded_invoices to sidepool_app;
