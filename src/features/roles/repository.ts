import type { Db } from '../../db/pool.js'
import { AppError } from '../../errors.js'
import type { Role } from './schemas.js'

type RoleHolders = { users: string[]; clients: string[] }

/** The only SQL about roles. */
export function createRoleRepository(db: Db) {
  /** Counts the administrators who are activated and not disabled. */
  async function countAdmins(): Promise<number> {
    const { rows } = await db.query<{ count: number }>(
      `select count(*)::integer as count from user_roles join users on id = user_id
       where role = 'admin' and activated_at is not null and disabled_at is null`,
    )
    return rows[0]?.count ?? 0
  }

  return {
    countAdmins,

    async list(): Promise<Role[]> {
      const { rows } = await db.query<Role>(
        `select name, created_at, coalesce(users, 0) as users
         from roles left join (
           select role as name, count(*)::integer as users from user_roles group by role) given using (name)
         order by name`,
      )
      return rows
    },

    /** @throws AppError `role_taken` */
    async create(name: string): Promise<Role> {
      const { rows } = await db.query<Role>(
        `insert into roles (name) values ($1) on conflict do nothing
         returning name, created_at, 0 as users`,
        [name],
      )
      if (!rows[0])
        throw new AppError('role_taken', {
          fields: [{ field: 'name', message: 'is already used' }],
        })
      return rows[0]
    },

    /**
     * Deletes a role. It locks the role, then its users, then its clients: the same order as every other
     * transaction, so that there is no deadlock.
     * @returns the ids of the users and clients that had the role; undefined if there is no such role
     */
    async delete(name: string): Promise<RoleHolders | undefined> {
      const { rowCount } = await db.query('select from roles where name = $1 for update', [name])
      if (rowCount === 0) return undefined
      const { rows } = await db.query<{ id: string }>(
        `select id from users where id in (select user_id from user_roles where role = $1)
         order by id for update`,
        [name],
      )
      const { rows: clients } = await db.query<{ id: string }>(
        `select id from clients where id in (select client_id from client_roles where role = $1)
         order by id for update`,
        [name],
      )
      await db.query('delete from user_roles where role = $1', [name])
      await db.query('delete from client_roles where role = $1', [name])
      await db.query('delete from roles where name = $1', [name])
      return { users: rows.map(({ id }) => id), clients: clients.map(({ id }) => id) }
    },

    /** Locks a role so that it cannot be deleted before the transaction ends. Returns false if it does not exist. */
    async lockShared(name: string): Promise<boolean> {
      const { rowCount } = await db.query('select from roles where name = $1 for key share', [name])
      return rowCount === 1
    },

    /** Grants a role; the caller has locked the user and the role. Returns false if the user already has it. */
    async grant(userId: string, name: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'insert into user_roles (user_id, role) values ($1, $2) on conflict do nothing',
        [userId, name],
      )
      return rowCount === 1
    },

    /** Revokes a role. Returns false if the user did not have it. */
    async revoke(userId: string, name: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'delete from user_roles where user_id = $1 and role = $2',
        [userId, name],
      )
      return rowCount === 1
    },

    /**
     * Runs a change that may remove the last administrator. Such changes lock the row of the role `admin`, so
     * that two administrators cannot be removed at the same time.
     * @throws AppError `last_admin` after the change; the transaction must be rolled back
     */
    async keepingAnAdmin<Result>(change: () => Promise<Result>): Promise<Result> {
      await db.query(`select from roles where name = 'admin' for no key update`)
      const before = await countAdmins()
      const result = await change()
      if (before > 0 && (await countAdmins()) === 0) throw new AppError('last_admin')
      return result
    },
  }
}

export type RoleRepository = ReturnType<typeof createRoleRepository>
