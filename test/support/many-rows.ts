import { queryAt } from './database.js'

/** The tables that grow with the users, or with time. */
export const growing = [
  'users',
  'last_logins',
  'user_roles',
  'identities',
  'imported_names',
  'api_keys',
  'sessions',
  'token_denylist',
  'one_time_codes',
  'login_notices',
  'outbox',
  'audit_log',
  'rate_limits',
  'spent_logins',
  'pictures',
  'readmes',
]

/**
 * Fills the tables as in production: one in a thousand users is disabled, and one has not activated the account.
 * Triggers and foreign keys are off meanwhile.
 */
export async function fillTables(url: string, users: number): Promise<void> {
  await queryAt(url, fill(users))
  await queryAt(url, 'vacuum analyze')
}

/** A UUIDv7 of a number: numbers in order give ids in order. */
const id = (table: number) =>
  `('01890a5d-' || lpad(to_hex(n >> 16), 4, '0') || '-7' || lpad(to_hex(n & 4095), 3, '0') || '-8'
    || lpad(to_hex(n >> 12 & 15), 3, '0') || '-' || lpad(to_hex(n), 8, '0') || lpad('${String(table)}', 4, '0'))::uuid`

/** One in a hundred rows has expired. They are spread over the table. */
const expiry = `now() + case n % 100 when 0 then interval '-1 hour' else make_interval(secs => n) end`

const fill = (users: number) => `
  begin;
  do $$
  declare definition text := (select indexdef from pg_indexes where indexname = 'users_search_idx');
  begin
    set session_replication_role = replica;
    if definition is not null then drop index users_search_idx; end if;

    insert into users (id, name, username, username_canonical, email, email_canonical, mobile, mobile_canonical,
      password_hash, activated_at, email_verified_at, disabled_at, created_at)
    select ${id(1)}, 'User ' || n, 'user' || n, 'user' || n, 'u' || n || '@example.org', 'u' || n || '@example.org',
      case when n % 3 = 0 then '+44' || n end, case when n % 3 = 0 then '+44' || n end, 'x',
      case when n % 1000 <> 2 then now() - make_interval(mins => n) end,
      case when n % 1000 <> 2 then now() - make_interval(mins => n) end,
      case when n % 1000 = 1 then now() end, now() - make_interval(mins => n)
    from generate_series(1, ${users}) n;

    insert into last_logins select ${id(1)}, now() - make_interval(mins => n) from generate_series(1, ${users}) n;
    insert into user_roles select ${id(1)}, 'user' from generate_series(1, ${users}) n;
    insert into user_roles select ${id(1)}, 'admin' from generate_series(1, ${users}, ${users / 5}) n;
    insert into identities (issuer, subject, user_id)
      select 'https://accounts.example', 's' || n, ${id(1)} from generate_series(1, ${users}, 2) n;
    insert into imported_names (name, user_id) select 'id:' || n, ${id(1)} from generate_series(1, ${users}) n;
    insert into api_keys (id, user_id, name, secret_hash, expires_at, warn_at)
      select ${id(8)}, ${id(1)}, 'backup', sha256(n::text::bytea), now() + make_interval(mins => n - 1000),
        case when n % 10 = 0 then now() + make_interval(mins => n - 100) end
      from generate_series(1, ${users}, 2) n;
    insert into api_key_roles select ${id(8)}, 'user' from generate_series(1, ${users}, 2) n;
    insert into sessions (id, user_id, user_agent, address, expires_at)
      select ${id(2)}, id, 'Mozilla/5.0', '192.0.2.1', ${expiry}
      from generate_series(1, ${users}) n, lateral (select ${id(1)} as id) owner;
    insert into one_time_codes (id, user_id, purpose, kind, address, address_canonical, link_hash, code_hash,
      code_expires_at, link_expires_at)
      select ${id(3)}, ${id(1)}, 'password_reset', 'email', 'u' || n || '@example.org', 'u' || n || '@example.org',
        sha256(n::text::bytea), sha256(n::text::bytea), now() + interval '1 minute',
        ${expiry} from generate_series(1, ${users}, 3) n;
    insert into outbox (id, message, kind, address, user_id, due_at)
      select ${id(4)}, 'password_reset', case n % 2 when 0 then 'email' else 'mobile' end, 'x', ${id(1)},
        now() + make_interval(secs => n) from generate_series(1, ${users}, 3) n;
    insert into login_notices (id, user_id, token_hash, address, expires_at)
      select ${id(9)}, ${id(1)}, sha256(n::text::bytea), '::1', ${expiry} from generate_series(1, ${users}, 3) n;
    insert into audit_log (id, at, event, user_id, detail)
      select ${id(5)}, now() - make_interval(mins => 2 * ${users} - n),
        case when n % 2000 = 0 then 'user.deleted' when n % 10 = 0 then 'login.failed' else 'login.succeeded' end,
        owner, '{}' from generate_series(1, 2 * ${users}) series,
        lateral (select ${id(1)} as owner from (select 1 + series / 2 as n) n) owners, lateral (select series as n) n;
    insert into rate_limits (key, points, expire)
      select 'login:' || n, 1, extract(epoch from ${expiry}) * 1000 from generate_series(1, ${users}) n;
    insert into spent_logins select ${id(6)}, ${expiry} from generate_series(1, ${users}, 4) n;
    insert into pictures select ${id(1)}, 'h', 'x', 'x' from generate_series(1, ${users}, 4) n;
    insert into readmes select ${id(1)}, 'h', 'x', 'x', '{}' from generate_series(1, ${users}, 4) n;

    set session_replication_role = origin;
    alter table token_denylist disable trigger token_denylist_replicated;
    insert into token_denylist (id, expires_at, xid)
      select ${id(7)}, ${expiry}, (3 + n / 100)::text::xid8 from generate_series(1, ${users / 2}) n;
    alter table token_denylist enable replica trigger token_denylist_replicated;
    if definition is not null then execute definition; end if;
  end $$;
  commit`
