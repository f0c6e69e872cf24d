import { ownClientId } from '@gatehouse/verify/protocol'
import type { Caller } from '../../http/caller.js'
import { AppError, invalidField } from '../../errors.js'
import type { Limits } from '../limits/limits.js'
import type { AuditRepository } from '../audit/repository.js'
import type { DenylistRepository } from '../denylist/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { invalidClient, type Credentials } from './credentials.js'
import type { Client, ClientRepository } from './repository.js'
import { hashOf, isSecret, newSecret } from '../../crypto/secrets.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  clients: ClientRepository
  denylist: Pick<DenylistRepository, 'deny'>
}

type Dependencies = { store: UnitOfWork<Repositories>; limits: Limits; newId: () => string }

const isName = (text: string) => /^[a-z][a-z0-9._-]{0,62}$/.test(text) && text !== ownClientId

/** Other services: each has a name, a secret, and roles that its tokens bear. */
export function createClientService({ store, limits, newId }: Dependencies) {
  return {
    /** Its secret is told here and never again. @throws AppError `validation_failed` */
    async add(caller: Caller, name: string, roles: string[]): Promise<Credentials> {
      if (name === ownClientId) throw invalidField('name', 'is our own')
      if (!isName(name)) {
        throw invalidField('name', 'must be lower case letters, digits, dots, _ and -, up to 63')
      }
      const client_secret = newSecret()
      const client = { id: newId(), name, roles: [...new Set(roles)] }
      await store.transaction(async (tx) => {
        await tx.clients.create({ ...client, secret_hash: hashOf(client_secret) })
        const event = 'client.created'
        await tx.audit.add({ event, caller, detail: { client: name } })
      })
      return { client_id: name, client_secret }
    },

    list: (): Promise<Client[]> => store.clients.list(),

    /** Its tokens are dead when this returns. @throws AppError `not_found` */
    async remove(caller: Caller, name: string): Promise<void> {
      await store.transaction(async (tx) => {
        const id = await tx.clients.delete(name)
        if (id === undefined) throw new AppError('not_found')
        await tx.denylist.deny(id)
        const event = 'client.deleted'
        await tx.audit.add({ event, caller, detail: { client: name } })
      })
    },

    /**
     * An unknown name and a wrong secret get the same answer in the same time, and count against
     * the client's network.
     * @throws AppError `invalid_client`, `rate_limited`
     */
    async authenticate({ client_id, client_secret }: Credentials, caller: Caller): Promise<Client> {
      const found = isName(client_id) ? await store.clients.findCredential(client_id) : undefined
      if (isSecret(client_secret, found?.secret_hash) && found) {
        const { id, name, roles, epoch, created_at } = found
        return { id, name, roles, epoch, created_at }
      }
      await limits.penalise('clients', caller.address)
      // What was typed is not written down, but for a name that there is.
      const detail: Record<string, string> = found ? { client: found.name } : {}
      await store.audit.add({ event: 'client.refused', caller, detail })
      throw invalidClient()
    },
  }
}

export type ClientService = ReturnType<typeof createClientService>
