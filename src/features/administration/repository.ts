import { pageSql, parameters, sortKey, toPage, type Page, type Put } from '../../db/keyset.js'
import type { Db } from '../../db/pool.js'
import type { PageRequest } from '../../http/lists.js'
import { lastLogin, type UserColumns } from '../users/columns.js'
import { accountSorts, type Account, type AccountState } from './schemas.js'

export type AccountFilter = {
  search?: string
  role?: string
  state?: AccountState
  created_after?: string
  created_before?: string
  last_login_after?: string
  last_login_before?: string
}

const states: Record<AccountState, string> = {
  active: 'activated_at is not null and disabled_at is null',
  disabled: 'disabled_at is not null',
  pending: 'activated_at is null and disabled_at is null',
}

/** Each has an index: see the migrations 0025 and 0026. */
const keys = {
  created_at: sortKey(accountSorts.created_at, 'created_at'),
  email: sortKey(accountSorts.email, 'email_canonical', { nullable: true }),
  last_login_at: sortKey(accountSorts.last_login_at, lastLogin, {
    nullable: true,
    stored: 'last_logins.at',
    id: 'last_logins.user_id',
  }),
}

const accounts = 'users left join last_logins on last_logins.user_id = users.id'
/** The expression of the index in the migration 0027. */
const searched = `(coalesce(lower(normalize(name, nfkc)) || ' ', '') || coalesce(username_canonical || ' ', '')
  || coalesce(email_canonical || ' ', '') || coalesce(mobile_canonical, ''))`

/** Without the outer join, the index on `at` gives the order. */
const accountsWithLogin = accounts.replace('left join', 'join')

/** The SQL that lists and searches users. */
export function createAccountRepository(db: Db, { account: columns }: UserColumns) {
  return {
    async find(id: string): Promise<Account | undefined> {
      const { rows } = await db.query<Account>(`select ${columns} from ${accounts} where id = $1`, [
        id,
      ])
      return rows[0]
    },

    async list(
      filter: AccountFilter,
      { limit, key, ...page }: PageRequest<keyof typeof keys>,
    ): Promise<Page<Account>> {
      const { values, put } = parameters()
      const sql = pageSql({ ...page, key: key && keys[key] }, put)
      const { rows } = await db.query<Account & { sort_key: string | null }>(
        `select ${columns}, ${sql.sortKey}
         from ${key === 'last_login_at' ? accountsWithLogin : accounts}
         where ${sql.isAfter} and ${conditionOf(filter, put)}
         order by ${sql.order} limit ${put(limit + 1)}`,
        values,
        { plansEachTime: true },
      )
      return toPage(rows, limit)
    },

    /** Counts users, up to a limit. */
    async count(filter: AccountFilter, limit: number): Promise<number> {
      const { values, put } = parameters()
      const { rows } = await db.query<{ count: number }>(
        `select count(*)::integer as count from (
           select from ${accounts} where ${conditionOf(filter, put)} limit ${put(limit)}) as found`,
        values,
        { plansEachTime: true },
      )
      return rows[0]?.count ?? 0
    },
  }
}

export type AccountRepository = ReturnType<typeof createAccountRepository>

function conditionOf(filter: AccountFilter, put: Put): string {
  const { search, role, state } = filter
  const { created_after, created_before, last_login_after, last_login_before } = filter
  const conditions = ['true']
  if (role !== undefined) {
    conditions.push(
      `exists (select from user_roles where user_id = users.id and role = ${put(role)})`,
    )
  }
  if (search !== undefined) {
    conditions.push(`${searched} like lower(${put(toPattern(search))})`)
  }
  if (state !== undefined) conditions.push(states[state])
  if (created_after !== undefined) conditions.push(`created_at >= ${put(created_after)}`)
  if (created_before !== undefined) conditions.push(`created_at < ${put(created_before)}`)
  if (last_login_after !== undefined) {
    conditions.push(`last_logins.at >= ${put(last_login_after)}`)
  }
  if (last_login_before !== undefined) {
    conditions.push(`last_logins.at < ${put(last_login_before)} and last_logins.at > '-infinity'`)
  }
  return conditions.join(' and ')
}

const toPattern = (search: string) =>
  `%${search
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\\%_]/g, '\\$&')}%`
