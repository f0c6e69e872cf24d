import type { Admission } from '../admission/service.js'
import type { Actor, Caller } from '../../http/caller.js'
import type { AuditEvent } from '../audit/schemas.js'
import { askerOf } from '../codes/asker.js'
import type { CodeService } from '../codes/service.js'
import { createBatcher } from '../../concurrency/batch.js'
import { AppError, invalidField } from '../../errors.js'
import type { DeviceMarks } from '../limits/device.js'
import { deviceOf } from '../limits/known-devices.js'
import type { CounterStore, Limits } from '../limits/limits.js'
import { revokeCodes } from '../messages/codes.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import type { Reauthentication } from '../passwords/reauthentication.js'
import type { UserRepository } from './repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { addressFor } from './addresses.js'
import { isNewAddress, readIdentifierChanges } from './changes.js'
import { readProfile } from './profile.js'
import {
  createAddressConfirmation,
  notifyOldAddress,
  type ConfirmationRepositories,
} from './address-confirmation.js'
import { addressKinds, readIdentifier, type AddressKind } from '../identifiers/identifiers.js'
import type { PasswordBody, ProfileBody, User } from './schemas.js'

type Repositories = ConfirmationRepositories &
  CounterStore & {
    apiKeys: {
      deleteAll: (userId: string) => Promise<void>
      has: (id: string, userId: string) => Promise<boolean>
    }
    roles: { keepingAnAdmin: (work: () => Promise<void>) => Promise<void> }
    sessions: {
      endAll: (userId: string, except?: string | null) => Promise<unknown>
      find: (id: string, userId: string) => Promise<object | undefined>
    }
    users: Pick<
      UserRepository,
      | 'changePassword'
      | 'delete'
      | 'findCredentialById'
      | 'findHolders'
      | 'get'
      | 'keepDevice'
      | 'list'
      | 'lock'
      | 'update'
    >
  }

type Dependencies = {
  store: UnitOfWork<Repositories>
  admission: Pick<Admission, 'isRestricted' | 'requireAccepted'>
  codes: CodeService
  passwords: PasswordHasher
  policy: PasswordPolicy
  reauthentication: Reauthentication
  limits: Limits
  devices: DeviceMarks
}

type ProfileChange = { user: User; pending: AddressKind[] }

/** What users do with their own account. Each change is written to the audit log. */
export function createUserService(dependencies: Dependencies) {
  const { store, admission, codes, passwords, policy, reauthentication, limits, devices } =
    dependencies

  /** Reads the users that requests at the same time ask for in one statement. */
  const readTogether = createBatcher(async (ids: string[]) => {
    const found = new Map((await store.users.list(ids)).map((user) => [user.id, user]))
    return ids.map((id) => found.get(id.toLowerCase()))
  })

  return {
    /** The user with this id, such as the subject of a token. @throws AppError `not_found` */
    async get(id: string): Promise<User> {
      const user = await readTogether(id)
      if (!user) throw new AppError('not_found')
      return user
    },

    /** @throws AppError `not_found`, `validation_failed` */
    async getIdByUsername(username: string): Promise<string> {
      const [holder] = await store.users.findHolders([readIdentifier('username', username)])
      if (!holder) throw new AppError('not_found')
      return holder.user_id
    },

    /**
     * Changes the profile. A new address takes effect only after the user has confirmed it by a message.
     * @throws AppError `validation_failed`, `username_taken`, `domain_not_allowed`,
     *   `reauthentication_required`, `invalid_credentials`, `rate_limited`, `invalid_token` if the session has ended meanwhile
     */
    async update(caller: Actor, { password, ...body }: ProfileBody): Promise<ProfileChange> {
      const before = await store.users.get(caller.user_id)
      const requested = readIdentifierChanges(body, before)
      const newAddresses = requested.filter(isNewAddress)
      const immediate = requested.filter((change) => !isNewAddress(change))
      const removedKinds = addressKinds.filter((kind) =>
        immediate.some((change) => change.kind === kind),
      )
      admission.requireAccepted(newAddresses.map(({ identifier }) => identifier))
      if (admission.isRestricted && removedKinds.includes('email'))
        throw invalidField('email', 'must not be removed')
      if (newAddresses.length > 0 || removedKinds.length > 0) {
        await reauthentication.byPasswordOrRecentLogin(caller, password)
      }
      const user = await store.transaction(async (tx) => {
        await tx.users.lock(before.id)
        // While this request waited for the lock, a password reset may have ended the session or the API key.
        const isOpen = await tx.sessions.find(caller.session_id, before.id)
        if (!isOpen && !(await tx.apiKeys.has(caller.session_id, before.id))) {
          throw new AppError('invalid_token')
        }
        const addresses = newAddresses.map(({ identifier }) => identifier.canonical)
        await limits.requireMaySend(tx, before.id, addresses)
        const updated = await tx.users.update(before.id, {
          ...readProfile(body),
          identifiers: immediate,
        })
        for (const { kind, identifier } of newAddresses) {
          const message = `${kind}_change` as const
          const { text: address } = identifier
          const asker = askerOf(caller)
          await tx.outbox.put({ message, kind, address, user_id: before.id, asker })
        }
        for (const kind of removedKinds) await notifyOldAddress(tx, kind, before)
        await audit(tx, 'user.updated', caller, before.id)
        return updated
      })
      return { user, pending: newAddresses.map(({ kind }) => kind) }
    },

    ...createAddressConfirmation({ store, admission, codes }),

    /**
     * Changes the password and ends every other session. The marks of known devices become invalid.
     * @returns `device`, a new mark for this browser
     * @throws AppError `invalid_credentials`, `weak_password`, `rate_limited`, `overloaded`
     */
    async changePassword(
      caller: Actor,
      { old_password, new_password }: PasswordBody,
    ): Promise<{ device: string }> {
      const oldHash = await reauthentication.byPassword(caller, old_password)
      const user = await store.users.get(caller.user_id)
      await policy.check(new_password, [user.name, user.username, user.email, user.mobile], {
        field: 'new_password',
      })
      const newHash = await passwords.hash(new_password)
      const version = await store.transaction(async (tx) => {
        const changed = await tx.users.changePassword(user.id, oldHash, newHash)
        if (changed === undefined) throw new AppError('invalid_credentials')
        await tx.users.keepDevice(user.id, deviceOf(caller))
        await tx.sessions.endAll(user.id, caller.session_id)
        await revokeCodes(tx, user.id)
        await notify(tx, 'password_changed', user)
        await audit(tx, 'password.changed', caller, user.id)
        return changed
      })
      const owner = { id: user.id, version }
      await limits.guesses.resetAccount(owner, caller.address)
      return { device: devices.make(owner) }
    },

    /**
     * Deletes the account and all its data, after checking the password. A login of the last five minutes is
     * enough if the user has no password, or if `acceptsRecentLogin` is set.
     * @throws AppError `reauthentication_required`, `invalid_credentials`, `last_admin`, `rate_limited`
     */
    async delete(
      caller: Actor,
      password: string | undefined,
      { acceptsRecentLogin = false } = {},
    ): Promise<void> {
      const { user_id: id } = caller
      const { password_hash } = (await store.users.findCredentialById(id)) ?? {}
      if (password_hash && password === undefined && !acceptsRecentLogin) {
        throw new AppError('reauthentication_required')
      }
      await reauthentication.byPasswordOrRecentLogin(caller, password)
      await remove(caller, id)
    },

    remove,
  }

  /** Deletes the account of any user. @throws AppError `not_found`, `last_admin` */
  async function remove(caller: Caller, id: string): Promise<void> {
    await store.transaction((tx) =>
      tx.roles.keepingAnAdmin(async () => {
        const user = await tx.users.lock(id)
        await tx.sessions.endAll(id)
        await tx.apiKeys.deleteAll(id)
        await tx.users.delete(id)
        await notify(tx, 'account_deleted', user, null)
        await audit(tx, 'user.deleted', caller, id)
      }),
    )
  }

  async function notify(
    tx: Repositories,
    message: 'password_changed' | 'account_deleted',
    user: User,
    user_id: string | null = user.id,
  ): Promise<void> {
    const to = addressFor(user)
    if (to) await tx.outbox.put({ message, ...to, user_id })
  }

  async function audit(
    tx: Repositories,
    event: AuditEvent,
    caller: Caller,
    user_id: string,
  ): Promise<void> {
    await tx.audit.add({ event, caller, user_id })
  }
}

export type UserService = ReturnType<typeof createUserService>
