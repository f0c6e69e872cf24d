-- Invitations to register. Only the SHA-256 of the token is stored; null until the message with it is sent. Without
-- an address anyone may use it. `is_proof`: the token was mailed to the address, so its holder owns the address.
-- The inviter is a user or a client. Without one it is an operator's.
create table invitations (
  id uuid primary key,
  token_hash bytea constraint invitations_token_key unique,
  kind text check (kind in ('email', 'mobile')),
  address text,
  address_canonical text,
  is_proof boolean not null,
  roles text[] not null default '{}',
  inviter_id uuid references users on delete cascade,
  client_id uuid references clients on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);

create index invitations_expires_at_idx on invitations (expires_at);
create index invitations_inviter_id_idx on invitations (inviter_id);
create index invitations_client_id_idx on invitations (client_id) where client_id is not null;

-- The invitation that a message carries. A message of a revoked invitation goes with it.
alter table outbox add column invitation_id uuid references invitations on delete cascade;

create index outbox_invitation_id_idx on outbox (invitation_id) where invitation_id is not null;
