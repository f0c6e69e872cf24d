-- The host of an app that a session is for: forward-auth there. It has a token of its own type, and no refresh token. Null
-- for every other session, and for all that an older build opens.
alter table sessions add column host text;
