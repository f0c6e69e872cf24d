-- A search of users finds three or more characters by this index. The extension is PostgreSQL's own, but a server
-- may lack it, or this role may not create it: then a search reads all users.
-- normalize() works in UTF8 alone.
do $$
begin
  if current_setting('server_encoding') <> 'UTF8' then return; end if;
  create extension if not exists pg_trgm;
  create index users_search_idx on users using gin ((
    coalesce(lower(normalize(name, nfkc)) || ' ', '') || coalesce(username_canonical || ' ', '')
    || coalesce(email_canonical || ' ', '') || coalesce(mobile_canonical, '')) gin_trgm_ops);
exception
  when feature_not_supported or undefined_file or undefined_object or insufficient_privilege then
    raise notice 'pg_trgm is not there: a search of users will read all of them';
end $$;
