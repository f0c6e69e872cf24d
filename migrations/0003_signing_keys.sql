-- The private part is sealed with AES-256-GCM under KEYS_SECRET; HS256 keys have no public part.
create table signing_keys (
  kid text primary key,
  algorithm text not null check (algorithm in ('ES256', 'EdDSA', 'RS256', 'HS256')),
  public_jwk jsonb,
  sealed_private_key bytea not null,
  created_at timestamptz not null default now()
);
