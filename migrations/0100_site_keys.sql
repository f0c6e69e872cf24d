-- Keys of sites that attest the addresses of their visitors. Only the public half of an Ed25519 key is here, so the
-- table lets no one sign. An older build does not know the table: it counts the site's own address.
create table client_site_keys (
  client_id uuid primary key references clients on delete cascade,
  public_key bytea not null check (octet_length(public_key) = 32)
);
