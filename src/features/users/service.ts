import type { Actor, Caller } from '../../http/caller.js'
import type { AuditEvent } from '../audit/schemas.js'
import { askerOf } from '../codes/asker.js'
import type { CodeService } from '../codes/service.js'
import type { ProofBody } from '../codes/schemas.js'
import { AppError, taken } from '../../errors.js'
import type { DeviceMarks } from '../limits/device.js'
import type { Counting, Limits } from '../limits/limits.js'
import { revokeCodes, type CodeRevocation } from '../messages/codes.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import type { Reauthentication } from '../passwords/reauthentication.js'
import type { UserRepository } from './repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { CodeRepository } from '../codes/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { addressFor } from './addresses.js'
import { isNewAddress, readIdentifierChanges } from './changes.js'
import { readProfile } from './profile.js'
import { releaseAddress, type AddressRelease } from './claim.js'
import { addressKinds, readIdentifier, type AddressKind } from '../identifiers/identifiers.js'
import type { PasswordBody, ProfileBody, User } from './schemas.js'

type Repositories = AddressRelease &
  CodeRevocation &
  Counting & {
    audit: Pick<AuditRepository, 'add'>
    codes: Pick<CodeRepository, 'redeem'>
    outbox: Pick<OutboxRepository, 'put'>
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
      | 'lock'
      | 'lockWithHolder'
      | 'update'
    >
  }

type Dependencies = {
  store: UnitOfWork<Repositories>
  codes: CodeService
  passwords: PasswordHasher
  policy: PasswordPolicy
  reauthentication: Reauthentication
  limits: Limits
  devices: DeviceMarks
}

type Changed = { user: User; pending: AddressKind[] }

/** What users do with their own account. */
export function createUserService(dependencies: Dependencies) {
  const { store, codes, passwords, policy, reauthentication, limits, devices } = dependencies

  return {
    /** The user that a token speaks of. @throws AppError `not_found` */
    get: (id: string): Promise<User> => store.users.get(id),

    /** @throws AppError `not_found`, `validation_failed` */
    async getIdByUsername(username: string): Promise<string> {
      const [holder] = await store.users.findHolders([readIdentifier('username', username)])
      if (!holder) throw new AppError('not_found')
      return holder.user_id
    },

    /**
     * Changes the profile at once; a new address only once a message to it was answered.
     * @throws AppError `validation_failed`, `username_taken`, `reauthentication_required`,
     *   `invalid_credentials`, `rate_limited`, `invalid_token` where the session has ended meanwhile
     */
    async update(caller: Actor, { password, ...body }: ProfileBody): Promise<Changed> {
      const before = await store.users.get(caller.user_id)
      const wanted = readIdentifierChanges(body, before)
      const arriving = wanted.filter(isNewAddress)
      const atOnce = wanted.filter((change) => !isNewAddress(change))
      const leaving = addressKinds.filter((kind) => atOnce.some((change) => change.kind === kind))
      if (arriving.length > 0 || leaving.length > 0) {
        await reauthentication.byPasswordOrFreshness(caller, password)
      }
      const user = await store.transaction(async (tx) => {
        await tx.users.lock(before.id)
        // The owner of an address may have claimed the account while this request waited.
        if (!(await tx.sessions.find(caller.session_id, before.id))) {
          throw new AppError('invalid_token')
        }
        const addresses = arriving.map(({ identifier }) => identifier.canonical)
        await limits.requireMayWrite(tx, before.id, addresses)
        const updated = await tx.users.update(before.id, {
          ...readProfile(body),
          identifiers: atOnce,
        })
        for (const { kind, identifier } of arriving) {
          const message = `${kind}_change` as const
          const { text: address } = identifier
          const asker = askerOf(caller)
          await tx.outbox.put({ message, kind, address, user_id: before.id, asker })
        }
        for (const kind of leaving) await notifyOldAddress(tx, kind, before)
        await audit(tx, 'user.updated', caller, before.id)
        return updated
      })
      return { user, pending: arriving.map(({ kind }) => kind) }
    },

    /**
     * Puts a new address in the place of the old one, by the code or link that was sent to it. An account
     * that has it, and never proved it, loses it.
     * @throws AppError `invalid_code`, `email_taken`, `mobile_taken`
     */
    async confirmAddress(proof: ProofBody, caller: Caller): Promise<User> {
      const code = await codes.prove(['email_change', 'mobile_change'], proof, caller)
      const { user_id, kind, address: text, address_canonical: canonical } = code
      return store.transaction(async (tx) => {
        const holder = await tx.users.lockWithHolder(user_id, kind, canonical)
        const before = await tx.users.get(user_id)
        if (!(await tx.codes.redeem(code.id))) throw new AppError('invalid_code')
        if (holder && holder.user_id !== user_id) {
          if (holder[`${kind}_verified`] || holder.disabled) throw taken(kind)
          await releaseAddress(tx, kind, holder)
          await audit(tx, 'user.address_changed', caller, holder.user_id)
        }
        const identifier = { kind, text, canonical }
        const user = await tx.users.update(user_id, {
          identifiers: [{ kind, identifier, verified: true }],
        })
        // The other address may still wait for its own answer.
        await revokeCodes(tx, user_id, kind === 'email' ? 'mobile_change' : 'email_change')
        await notifyOldAddress(tx, kind, before)
        await audit(tx, 'user.address_changed', caller, user_id)
        return user
      })
    },

    /**
     * Every other session ends; this one stays. The marks of devices die; `device` is the next one.
     * @throws AppError `invalid_credentials`, `weak_password`, `rate_limited`, `overloaded`
     */
    async changePassword(
      caller: Actor,
      { old_password, new_password }: PasswordBody,
    ): Promise<{ device: string }> {
      const oldHash = await reauthentication.byPassword(caller, old_password)
      const user = await store.users.get(caller.user_id)
      policy.check(
        new_password,
        [user.name, user.username, user.email, user.mobile],
        'new_password',
      )
      const newHash = await passwords.hash(new_password)
      const version = await store.transaction(async (tx) => {
        const changed = await tx.users.changePassword(user.id, oldHash, newHash)
        if (changed === undefined) throw new AppError('invalid_credentials')
        await tx.sessions.endAll(user.id, caller.session_id)
        await revokeCodes(tx, user.id)
        await notify(tx, 'password_changed', user)
        await audit(tx, 'password.changed', caller, user.id)
        return changed
      })
      const owner = { id: user.id, version }
      await limits.guesses.welcome(owner, caller.address)
      return { device: devices.make(owner) }
    },

    /**
     * Removes the account, and all that belongs to it. Without a password only a login of the last
     * five minutes will do, and only where `freshIsEnough`.
     * @throws AppError `reauthentication_required`, `invalid_credentials`, `last_admin`, `rate_limited`
     */
    async delete(
      caller: Actor,
      password: string | undefined,
      { freshIsEnough = false } = {},
    ): Promise<void> {
      const { user_id: id } = caller
      const { password_hash } = (await store.users.findCredentialById(id)) ?? {}
      if (password_hash && password === undefined && !freshIsEnough) {
        throw new AppError('reauthentication_required')
      }
      await reauthentication.byPasswordOrFreshness(caller, password)
      await remove(caller, id)
    },

    remove,
  }

  /** Removes anybody's account. @throws AppError `not_found`, `last_admin` */
  async function remove(caller: Caller, id: string): Promise<void> {
    await store.transaction((tx) =>
      tx.roles.keepingAnAdmin(async () => {
        const user = await tx.users.lock(id)
        await tx.sessions.endAll(id)
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

  async function notifyOldAddress(
    tx: Repositories,
    kind: AddressKind,
    before: User,
  ): Promise<void> {
    const address = before[kind]
    if (address === null) return
    const message = 'address_changed'
    await tx.outbox.put({ message, kind, address, user_id: before.id })
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
