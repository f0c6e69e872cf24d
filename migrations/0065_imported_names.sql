-- The ids and identifiers of imported users as their old app knew them: `id:12`, `email:ada@example.org`. A token or
-- cookie of the old app names one. They stay when an identifier changes, and go when all sessions of the user are
-- ended: from then on no old token logs in.
create table imported_names (
  name text not null,
  user_id uuid not null references users on delete cascade,
  primary key (name, user_id)
);

create index imported_names_user_id_idx on imported_names (user_id);
