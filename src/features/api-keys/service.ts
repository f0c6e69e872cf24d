import { AppError, invalidField } from '../../errors.js'
import type { Actor, Caller } from '../../http/caller.js'
import { hashSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { AuditRepository } from '../audit/repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { Reauthentication } from '../passwords/reauthentication.js'
import type { UserRepository } from '../users/repository.js'
import { oneLine } from '../users/schemas.js'
import { addressFor } from '../users/addresses.js'
import type { ApiKeyRepository } from './repository.js'
import { defaultKeyDays, type ApiKey, type ApiKeyBody } from './schemas.js'
import { newApiKey } from './secret.js'

type Repositories = {
  apiKeys: ApiKeyRepository
  audit: Pick<AuditRepository, 'add'>
  outbox: Pick<OutboxRepository, 'put'>
  users: Pick<UserRepository, 'find' | 'lock'>
}

type Dependencies = {
  store: UnitOfWork<Repositories>
  reauthentication: Reauthentication
  newId: () => string
}

type KeyOptions = Pick<ApiKeyBody, 'name' | 'roles' | 'expires_in_days'>

export type NewApiKey = { key: string; api_key: ApiKey }

/** The command line has no schema. */
const isName = (text: string) =>
  text.length > 0 && text.length <= 100 && new RegExp(oneLine.pattern).test(text)

const maxKeys = 50
const batchSize = 100

/** API keys: secrets of a user for scripts. Only their hashes are stored. */
export function createApiKeyService({ store, reauthentication, newId }: Dependencies) {
  return {
    list: (userId: string): Promise<ApiKey[]> => store.apiKeys.list(userId),

    /**
     * Creates a key of the caller. The key is returned here only.
     * @throws AppError `reauthentication_required`, `invalid_credentials`, `rate_limited`, `overloaded`, and those of add()
     */
    async create(caller: Actor, { password, ...options }: ApiKeyBody): Promise<NewApiKey> {
      await reauthentication.byPasswordOrRecentLogin(caller, password)
      return add(caller, caller.user_id, options)
    },

    add,

    /** Deletes a key of the caller. It is refused when this returns. @throws AppError `not_found` */
    revoke: (caller: Actor, id: string): Promise<void> => revoke(caller, id, caller.user_id),

    /** Deletes a key of any user. @throws AppError `not_found` */
    remove: (caller: Caller, id: string): Promise<void> => revoke(caller, id),

    /** Tells the owners of keys that expire within a week. Returns how many keys there were. */
    async warnOwners(): Promise<number> {
      return store.transaction(async (tx) => {
        const owners = await tx.apiKeys.markExpiring(batchSize)
        for (const user_id of new Set(owners)) {
          const user = await tx.users.find(user_id)
          const to = user?.active ? addressFor(user) : undefined
          if (to) await tx.outbox.put({ message: 'api_key_expires', ...to, user_id })
        }
        return owners.length
      })
    },
  }

  /**
   * Creates a key of a user.
   * @throws AppError `not_found`, `api_key_limit`, `validation_failed` if the user lacks one of the roles
   */
  async function add(
    caller: Caller,
    user_id: string,
    { name, roles = [], expires_in_days: days = defaultKeyDays }: KeyOptions,
  ): Promise<NewApiKey> {
    if (!isName(name)) throw invalidField('name', 'must be one line of 1 to 100 characters')
    const key = newApiKey()
    const api_key = await store.transaction(async (tx) => {
      const user = await tx.users.lock(user_id)
      if (roles.some((role) => !user.roles.includes(role)))
        throw invalidField('roles', 'must be roles that the user has')
      if ((await tx.apiKeys.count(user_id)) >= maxKeys) throw new AppError('api_key_limit')
      const id = newId()
      const unique = [...new Set(roles)].sort()
      const secret_hash = hashSecret(key)
      const created = await tx.apiKeys.create({
        ...{ id, user_id, name, secret_hash, roles: unique, days },
      })
      const to = addressFor(user)
      if (to) await tx.outbox.put({ message: 'api_key_created', ...to, user_id })
      await tx.audit.add({ event: 'api_key.created', caller, user_id, detail: { key: id } })
      return created
    })
    return { key, api_key }
  }

  async function revoke(caller: Caller, id: string, of?: string): Promise<void> {
    await store.transaction(async (tx) => {
      const user_id = await tx.apiKeys.delete(id, of)
      if (user_id === undefined) throw new AppError('not_found')
      await tx.audit.add({ event: 'api_key.revoked', caller, user_id, detail: { key: id } })
    })
  }
}

export type ApiKeyService = ReturnType<typeof createApiKeyService>
