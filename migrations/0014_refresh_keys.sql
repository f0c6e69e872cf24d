-- Refresh tokens have keys of their own. Those of the sessions that are there now were signed with a
-- signing key, and are good until they expire; without a session there are none.
alter table key_ring add column refresh_keys_since timestamptz;
update key_ring set refresh_keys_since = now() where exists (select from sessions);

-- A public key is made from the private one, which is sealed: nobody can exchange it here.
alter table signing_keys drop column public_jwk;
