import { violatedConstraint, type Db } from '../../db/pool.js'
import { invalidField } from '../../errors.js'

/** A service with an id and a secret. `name` is its `client_id`; `epoch` counts the roles that it lost. */
export type Client = {
  id: string
  name: string
  roles: string[]
  epoch: number
  created_at: string
}

export type NewClient = { id: string; name: string; roles: string[]; secret_hash: Buffer }

const columns = `id, name, epoch, created_at,
  array(select role from client_roles where client_id = id order by role) as roles`

/** The only SQL about clients. */
export function createClientRepository(db: Db) {
  return {
    /** @throws AppError `validation_failed` where the name is used, or a role is not there */
    async create({ id, name, roles, secret_hash }: NewClient): Promise<void> {
      await db
        .query(
          `with created as (
             insert into clients (id, name, secret_hash) values ($1, $2, $3) returning id)
           insert into client_roles (client_id, role)
           select id, role from created, unnest($4::text[]) as role`,
          [id, name, secret_hash, roles],
        )
        .catch(rethrowRefused)
    },

    async list(): Promise<Client[]> {
      const { rows } = await db.query<Client>(`select ${columns} from clients order by name`)
      return rows
    },

    /** With what its secret is compared to; that never leaves the service. */
    async findCredential(name: string): Promise<(Client & { secret_hash: Buffer }) | undefined> {
      const { rows } = await db.query<Client & { secret_hash: Buffer }>(
        `select ${columns}, secret_hash from clients where name = $1`,
        [name],
      )
      return rows[0]
    },

    /** The id that it had; undefined if there was none. */
    async delete(name: string): Promise<string | undefined> {
      const { rows } = await db.query<{ id: string }>(
        'delete from clients where name = $1 returning id',
        [name],
      )
      return rows[0]?.id
    },
  }
}

export type ClientRepository = ReturnType<typeof createClientRepository>

function rethrowRefused(error: unknown): never {
  const constraint = violatedConstraint(error)
  if (constraint === 'clients_name_key') throw invalidField('name', 'is already used')
  if (constraint === 'client_roles_role_fkey') throw invalidField('role', 'is not there')
  throw error
}
