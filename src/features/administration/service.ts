import type { Caller } from '../../http/caller.js'
import { countTotal, cursorOf, readPage } from '../../http/lists.js'
import { readTimes } from '../../http/times.js'
import type { AuditEvent } from '../audit/schemas.js'
import { AppError } from '../../errors.js'
import { revokeCodes } from '../messages/codes.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import type { RoleService } from '../roles/service.js'
import { createAccountCreation, type CreationRepositories } from './creation.js'
import type { AccountRepository } from './repository.js'
import type { RoleRepository } from '../roles/repository.js'
import type { SessionRepository } from '../sessions/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { addressFor } from '../users/addresses.js'
import { readIdentifierChanges } from '../users/changes.js'
import { forceReset, type ForcedReset } from '../users/forced-reset.js'
import { readProfile } from '../users/profile.js'
import { addressKinds } from '../identifiers/identifiers.js'
import type { UserRepository } from '../users/repository.js'
import type { UserService } from '../users/service.js'
import { accountSorts, type Account, type AccountsQuery, type EditAccountBody } from './schemas.js'

type Repositories = ForcedReset &
  CreationRepositories & {
    accounts: Pick<AccountRepository, 'count' | 'find' | 'list'>
    denylist: { raiseEpochs: (ids: string[]) => Promise<void> }
    roles: Pick<RoleRepository, 'keepingAnAdmin'>
    sessions: Pick<SessionRepository, 'endAll'>
    users: Pick<UserRepository, 'lock' | 'setDisabled' | 'setPassword' | 'update'>
  }

type Dependencies = {
  store: UnitOfWork<Repositories>
  users: UserService
  roles: RoleService
  passwords: PasswordHasher
  policy: PasswordPolicy
  newId: () => string
}

type AccountPage = {
  users: Account[]
  next: string | null
  total?: number
  total_is_more?: boolean
}

const times = ['created_after', 'created_before', 'last_login_after', 'last_login_before'] as const

/** What administrators do with the accounts of other users. Each change is written to the audit log. */
export function createAdministrationService(dependencies: Dependencies) {
  const { store, users, roles, passwords, policy, newId } = dependencies

  return {
    /** @throws AppError `validation_failed` */
    async list({ limit, cursor, sort, total, ...query }: AccountsQuery): Promise<AccountPage> {
      const page = readPage(accountSorts, { limit, cursor, sort })
      const filter = { ...query, ...readTimes(query, times) }
      const { rows: users, end } = await store.accounts.list(filter, page)
      const totals = await countTotal(total, (max) => store.accounts.count(filter, max))
      return { users, next: cursorOf(sort, end), ...totals }
    },

    get,

    ...createAccountCreation({ store, roles, passwords, policy, newId, get }),

    /**
     * Changes the profile and identifiers of a user. New addresses count as verified.
     * @throws AppError `not_found`, `validation_failed`, `email_taken`, `username_taken`, `mobile_taken`
     */
    async edit(caller: Caller, id: string, body: EditAccountBody): Promise<Account> {
      await store.transaction(async (tx) => {
        const before = await tx.users.lock(id)
        const changes = readIdentifierChanges(body, before)
        const identifiers = changes.map((change) => ({ ...change, verified: true }))
        await tx.users.update(id, { ...readProfile(body), identifiers })
        const changedKinds = addressKinds.filter((kind) =>
          identifiers.some((one) => one.kind === kind),
        )
        if (changedKinds.length > 0) await revokeCodes(tx, id)
        for (const kind of changedKinds) {
          const address = before[kind]
          const message = 'address_changed'
          if (address) await tx.outbox.put({ message, kind, address, user_id: id })
        }
        await audit(tx, 'user.updated', caller, id)
      })
      return get(id)
    },

    /** Ends every session and rejects new logins. @throws AppError `not_found`, `last_admin` */
    async disable(caller: Caller, id: string): Promise<Account> {
      await store.transaction((tx) =>
        tx.roles.keepingAnAdmin(async () => {
          await tx.users.lock(id)
          await tx.users.setDisabled(id, true)
          await tx.sessions.endAll(id)
          // A trigger does it too. This instance hears of it here, so it refuses API keys at once.
          await tx.denylist.raiseEpochs([id])
          await revokeCodes(tx, id)
          await audit(tx, 'user.disabled', caller, id)
        }),
      )
      return get(id)
    },

    /** @throws AppError `not_found` */
    async enable(caller: Caller, id: string): Promise<Account> {
      await store.transaction(async (tx) => {
        await tx.users.lock(id)
        await tx.users.setDisabled(id, false)
        await audit(tx, 'user.enabled', caller, id)
      })
      return get(id)
    },

    /** @throws AppError `not_found`, `last_admin` */
    delete: (caller: Caller, id: string): Promise<void> => users.remove(caller, id),

    /**
     * Removes the password, ends every session and API key, and sends the owner a message to choose another password.
     * @throws AppError `not_found`, `no_address`
     */
    async forceReset(caller: Caller, id: string): Promise<void> {
      await store.transaction(async (tx) => {
        const address = addressFor(await tx.users.lock(id))
        if (!address) throw new AppError('no_address')
        await forceReset(tx, id, address)
        await audit(tx, 'password.reset_forced', caller, id)
      })
    },

    /** Ends every session and returns how many ended. @throws AppError `not_found` */
    async endSessions(caller: Caller, id: string): Promise<number> {
      return store.transaction(async (tx) => {
        await tx.users.lock(id)
        const ended = await tx.sessions.endAll(id)
        await audit(tx, 'session.ended', caller, id, { ended })
        return ended
      })
    },
  }

  /** @throws AppError `not_found` */
  async function get(id: string): Promise<Account> {
    const account = await store.accounts.find(id)
    if (!account) throw new AppError('not_found')
    return account
  }

  async function audit(
    tx: Repositories,
    event: AuditEvent,
    caller: Caller,
    user_id: string,
    detail: Record<string, number> = {},
  ): Promise<void> {
    await tx.audit.add({ event, caller, user_id, detail })
  }
}

export type AdministrationService = ReturnType<typeof createAdministrationService>
