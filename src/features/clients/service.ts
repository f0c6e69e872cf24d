import { ownClientId } from '@gatehouse/verify/protocol'
import type { Caller } from '../../http/caller.js'
import { AppError, invalidField } from '../../errors.js'
import type { Limits } from '../limits/limits.js'
import type { AuditRepository } from '../audit/repository.js'
import type { SessionRepository } from '../sessions/repository.js'
import type { DenylistRepository } from '../denylist/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { newSiteKey } from './site-keys.js'
import { checkRedirectUri } from './redirect-uris.js'
import { invalidClient, type Credentials } from './credentials.js'
import type { Client, ClientRepository } from './repository.js'
import { hashSecret, verifySecret, newSecret } from '../../crypto/secrets.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  clients: ClientRepository
  denylist: Pick<DenylistRepository, 'deny'>
  sessions: Pick<SessionRepository, 'endOfClient'>
}

/** How the client logs users in, and whether it gets a key to attest its visitors. */
type AppOptions = {
  redirect_uris?: string[]
  is_public?: boolean
  allows_device?: boolean
  attests?: boolean
}

type Dependencies = { store: UnitOfWork<Repositories>; limits: Limits; newId: () => string }

const isClientName = (text: string) => /^[a-z][a-z0-9._-]{0,62}$/.test(text) && text !== ownClientId

/**
 * Manages and authenticates clients. A client has a name, a secret and roles for its tokens. One that logs users in
 * has redirect URIs. A public client has no secret.
 */
export function createClientService({ store, limits, newId }: Dependencies) {
  return {
    /** Creates a client. The secret and the key are returned here only. @throws AppError `validation_failed`; OperatorError */
    async add(
      caller: Caller,
      name: string,
      roles: string[],
      {
        redirect_uris = [],
        is_public = false,
        allows_device = false,
        attests = false,
      }: AppOptions = {},
    ): Promise<Credentials & { site_key?: string }> {
      if (name === ownClientId) throw invalidField('name', 'is reserved')
      if (!isClientName(name)) {
        throw invalidField(
          'name',
          'must be 1 to 63 of a-z, 0-9, ".", "_" and "-", beginning with a letter',
        )
      }
      for (const uri of redirect_uris) checkRedirectUri(uri)
      if (is_public && !allows_device && redirect_uris.length === 0) throw publicNeedsUri()
      const client_secret = newSecret()
      const { site_key, public_key } = attests ? newSiteKey(name) : {}
      const uris = { redirect_uris: [...new Set(redirect_uris)], is_public, allows_device }
      const client = { id: newId(), name, roles: [...new Set(roles)], ...uris }
      await store.transaction(async (tx) => {
        await tx.clients.create({ ...client, secret_hash: hashSecret(client_secret), public_key })
        const event = 'client.created'
        await tx.audit.add({ event, caller, detail: { client: name } })
      })
      return {
        client_id: name,
        ...(!is_public && { client_secret }),
        ...(site_key !== undefined && { site_key }),
      }
    },

    list: (): Promise<Client[]> => store.clients.list(),

    /** Finds a client by the name that a request gives. */
    find: async (name: string): Promise<Client | undefined> =>
      isClientName(name) ? store.clients.find(name) : undefined,

    /**
     * Replaces the redirect URIs of a client. A code for one that is gone is refused at once.
     * @throws AppError `not_found`, `validation_failed`
     */
    async setRedirectUris(caller: Caller, name: string, uris: string[]): Promise<void> {
      for (const uri of uris) checkRedirectUri(uri)
      await store.transaction(async (tx) => {
        const found = await tx.clients.find(name)
        if (!found) throw new AppError('not_found')
        if (found.is_public && !found.allows_device && uris.length === 0) throw publicNeedsUri()
        await tx.clients.setRedirectUris(found.id, [...new Set(uris)])
        const event = 'client.changed'
        await tx.audit.add({ event, caller, detail: { client: name } })
      })
    },

    /** Deletes a client. Its tokens are refused when this returns. @throws AppError `not_found` */
    async remove(caller: Caller, name: string): Promise<void> {
      await store.transaction(async (tx) => {
        const found = await tx.clients.find(name)
        // Deleting the client deletes its sessions, and this denies their tokens first.
        if (found) await tx.sessions.endOfClient(found.id)
        const id = await tx.clients.delete(name)
        if (id === undefined) throw new AppError('not_found')
        await tx.denylist.deny(id)
        const event = 'client.deleted'
        await tx.audit.add({ event, caller, detail: { client: name } })
      })
    },

    /**
     * Verifies the secret of a client. An unknown name and a wrong secret get the same answer in the same
     * time, and count against the caller's network. A public client must not send a secret.
     * @throws AppError `invalid_client`, `rate_limited`
     */
    async authenticate({ client_id, client_secret }: Credentials, caller: Caller): Promise<Client> {
      const found = isClientName(client_id)
        ? await store.clients.findCredential(client_id)
        : undefined
      const isRight = verifySecret(client_secret ?? '', found?.secret_hash)
      if (found && (found.is_public ? client_secret === undefined : isRight)) {
        const { id, name, roles, epoch, created_at, redirect_uris } = found
        const { is_public, allows_device, attests } = found
        const client = { id, name, roles, epoch, created_at, redirect_uris }
        return { ...client, is_public, allows_device, attests }
      }
      await limits.countFailure('clients', caller)
      // An unknown name is not audited: it may be a secret in the wrong field.
      const detail: Record<string, string> = found ? { client: found.name } : {}
      await store.audit.add({ event: 'client.refused', caller, detail })
      throw invalidClient()
    },
  }
}

const publicNeedsUri = () => invalidField('redirect_uri', 'is required for a public client')

export type ClientService = ReturnType<typeof createClientService>
