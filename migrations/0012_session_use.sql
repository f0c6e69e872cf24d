-- The last generation whose access token was seen: until then, who comes with the refresh token before
-- it may never have got an answer.
alter table sessions add column used_generation integer not null default 0;
