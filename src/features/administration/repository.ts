import type { Db } from '../../db/pool.js'
import type { UserColumns } from '../users/columns.js'
import type { Account, AccountState } from './schemas.js'

type Filter = {
  search?: string
  role?: string
  state?: AccountState
  after?: string
  limit: number
}

const states: Record<AccountState, string> = {
  active: 'activated_at is not null and disabled_at is null',
  disabled: 'disabled_at is not null',
  pending: 'activated_at is null and disabled_at is null',
}

/** The SQL that lists and searches users. */
export function createAccountRepository(db: Db, { account: columns }: UserColumns) {
  return {
    async find(id: string): Promise<Account | undefined> {
      const { rows } = await db.query<Account>(`select ${columns} from users where id = $1`, [id])
      return rows[0]
    },

    /** Lists users, the newest first. `after` is the id of the last user of the previous page. */
    async list({ search, role, state, after, limit }: Filter): Promise<Account[]> {
      const { rows } = await db.query<Account>(
        `select ${columns} from users
         where ($1::uuid is null or id < $1)
           and ($2::text is null or exists (
             select from user_roles where user_id = users.id and role = $2))
           and ($3::text is null or concat_ws(' ', lower(normalize(name, nfkc)), username_canonical,
             email_canonical, mobile_canonical) like lower($3))
           and ${state ? states[state] : 'true'}
         order by id desc limit $4`,
        [after ?? null, role ?? null, search === undefined ? null : toPattern(search), limit],
      )
      return rows
    },
  }
}

export type AccountRepository = ReturnType<typeof createAccountRepository>

const toPattern = (search: string) =>
  `%${search
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\\%_]/g, '\\$&')}%`
