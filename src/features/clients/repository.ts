import { violatedConstraint, type Db } from '../../db/pool.js'
import { OperatorError } from '../../errors.js'

/** Another service. `name` is its `client_id`. `epoch` rises when the client loses a role. */
export type Client = {
  id: string
  name: string
  roles: string[]
  epoch: number
  created_at: string
  /** Where a browser may return with a code. */
  redirect_uris: string[]
  /** Whether it has no secret, so that anyone may send requests in its name. */
  is_public: boolean
  /** Whether it logs users in by a device code (RFC 8628). */
  allows_device: boolean
  /** Whether it has a key by which it attests the addresses of its visitors. */
  attests: boolean
}

export type NewClient = Pick<
  Client,
  'id' | 'name' | 'roles' | 'redirect_uris' | 'is_public' | 'allows_device'
> & {
  secret_hash: Buffer
  /** Of the key by which it attests. */
  public_key: Buffer | undefined
}

const columns = `id, name, epoch, created_at, is_public, allows_device,
  exists (select from client_site_keys where client_id = id) as attests,
  array(select uri from client_redirect_uris where client_id = id order by uri) as redirect_uris,
  array(select role from client_roles where client_id = id order by role) as roles`

/** All SQL about clients. */
export function createClientRepository(db: Db) {
  return {
    /** @throws OperatorError if the name is used or a role does not exist: only commands add clients */
    async create(client: NewClient): Promise<void> {
      const { id, name, roles, secret_hash, redirect_uris, is_public, allows_device, public_key } =
        client
      await db
        .query(
          `with created as (
             insert into clients (id, name, secret_hash, is_public, allows_device)
             values ($1, $2, $3, $5, $8) returning id
           ), uris as (
             insert into client_redirect_uris (client_id, uri)
             select id, uri from created, unnest($6::text[]) as uri
           ), site_key as (
             insert into client_site_keys (client_id, public_key)
             select id, $7::bytea from created where $7 is not null)
           insert into client_roles (client_id, role)
           select id, role from created, unnest($4::text[]) as role`,
          [
            ...[id, name, secret_hash, roles, is_public, redirect_uris, public_key ?? null],
            allows_device,
          ],
        )
        .catch((error: unknown) => rethrowRefused(error, name, roles))
    },

    async list(): Promise<Client[]> {
      const { rows } = await db.query<Client>(`select ${columns} from clients order by name`)
      return rows
    },

    /** The public keys by which sites attest. There are as many as the operator added. */
    async listSiteKeys(): Promise<{ id: string; name: string; public_key: Buffer }[]> {
      const { rows } = await db.query<{ id: string; name: string; public_key: Buffer }>(
        'select id, name, public_key from client_site_keys join clients on id = client_id',
      )
      return rows
    },

    async find(name: string): Promise<Client | undefined> {
      const { rows } = await db.query<Client>(`select ${columns} from clients where name = $1`, [
        name,
      ])
      return rows[0]
    },

    /** Finds a client with the hash of its secret. The hash must not leave the service. */
    async findCredential(name: string): Promise<(Client & { secret_hash: Buffer }) | undefined> {
      const { rows } = await db.query<Client & { secret_hash: Buffer }>(
        `select ${columns}, secret_hash from clients where name = $1`,
        [name],
      )
      return rows[0]
    },

    /** Replaces the redirect URIs of a client. */
    async setRedirectUris(id: string, uris: string[]): Promise<void> {
      await db.query(
        `with removed as (
           delete from client_redirect_uris where client_id = $1 and uri <> all ($2))
         insert into client_redirect_uris (client_id, uri)
         select $1, uri from unnest($2::text[]) as uri on conflict do nothing`,
        [id, uris],
      )
    },

    /** Deletes a client. Returns its id; undefined if there was none. */
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

function rethrowRefused(error: unknown, name: string, roles: string[]): never {
  const constraint = violatedConstraint(error)
  if (constraint === 'clients_name_key')
    throw new OperatorError(`A client named ${name} exists already`)
  if (constraint === 'client_roles_role_fkey') {
    const subject = roles.length === 1 ? `The role ${roles.join('')}` : `One of ${roles.join(', ')}`
    throw new OperatorError(`${subject} does not exist: create it with POST /api/roles`)
  }
  throw error
}
