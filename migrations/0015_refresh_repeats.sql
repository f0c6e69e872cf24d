-- When each of the last generations before the present one was exchanged, the newest last: within the grace
-- each of them gets the present one. The newest is never before rotated_at, so rows of before need none.
alter table sessions add column spent_at timestamptz[] not null default '{}';

-- How often a spent token was repeated after the grace. An access token of the present generation resets it.
alter table sessions add column repeats smallint not null default 0;
