import type { Caller } from '../../http/caller.js'
import type { AuditEvent } from '../audit/schemas.js'
import { AppError, invalidField, taken } from '../../errors.js'
import type { MessageName } from '../messages/messages.js'
import { revokeCodes, type CodeRevocation } from '../messages/codes.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import type { RoleGrant, RoleService } from '../roles/service.js'
import type { AccountRepository } from './repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { RoleRepository } from '../roles/repository.js'
import type { SessionRepository } from '../sessions/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { addressFor } from '../users/addresses.js'
import { readIdentifierChanges } from '../users/changes.js'
import { newProfile, readProfile } from '../users/profile.js'
import { addressKinds, identifierKinds, readIdentifier } from '../identifiers/identifiers.js'
import type { NewUser, UserRepository } from '../users/repository.js'
import type { UserService } from '../users/service.js'
import type { Account, AccountsQuery, CreateAccountBody, EditAccountBody } from './schemas.js'

type Repositories = CodeRevocation &
  RoleGrant & {
    accounts: Pick<AccountRepository, 'find' | 'list'>
    audit: Pick<AuditRepository, 'add'>
    outbox: Pick<OutboxRepository, 'put'>
    roles: Pick<RoleRepository, 'keepingAnAdmin'>
    sessions: Pick<SessionRepository, 'endAll'>
    users: Pick<
      UserRepository,
      'create' | 'findHolders' | 'lock' | 'setDisabled' | 'setPassword' | 'update'
    >
  }

type Dependencies = {
  store: UnitOfWork<Repositories>
  users: UserService
  roles: RoleService
  passwords: PasswordHasher
  policy: PasswordPolicy
  newId: () => string
}

type Page = { users: Account[]; next: string | null }

/** What an administrator does with other people's accounts. Each method writes to the audit log. */
export function createAdministrationService(dependencies: Dependencies) {
  const { store, users, roles, passwords, policy, newId } = dependencies

  return {
    async list({ limit = '50', cursor, ...filter }: AccountsQuery): Promise<Page> {
      const most = Number(limit)
      const found = await store.accounts.list({
        ...filter,
        ...(cursor !== undefined && { after: cursor }),
        limit: most + 1,
      })
      const page = found.slice(0, most)
      return { users: page, next: found.length > most ? (page.at(-1)?.id ?? null) : null }
    },

    get,

    /**
     * Makes an account without a password, and invites its owner to choose one.
     * @throws AppError `validation_failed`, `email_taken`, `username_taken`, `mobile_taken`,
     *   `not_found` for a role
     */
    async create(
      caller: Caller,
      { roles: names = [], ...body }: CreateAccountBody,
    ): Promise<Account> {
      const user = readNewUser(body)
      const address = addressOf(body)
      if (!address) throw invalidField('email', 'is required, or a mobile number')
      await store.transaction(async (tx) => {
        await insert(tx, caller, user, names)
        await tx.outbox.put({ message: 'invitation', ...address, user_id: user.id })
      })
      return get(user.id)
    },

    /**
     * Makes an administrator who can log in at once: for the command line.
     * @throws AppError `validation_failed`, `weak_password`, `email_taken`, `username_taken`
     */
    async createAdmin(
      caller: Caller,
      { password, ...body }: CreateAccountBody & { password: string },
    ): Promise<Account> {
      const user = readNewUser(body)
      policy.check(
        password,
        user.identifiers.map(({ canonical }) => canonical),
      )
      const password_hash = await passwords.hash(password)
      await store.transaction((tx) =>
        insert(tx, caller, { ...user, password_hash, activated: true }, ['admin']),
      )
      return get(user.id)
    },

    /**
     * Changes what a user is called and reached by, at once; a new address counts as verified.
     * @throws AppError `not_found`, `validation_failed`, `email_taken`, `username_taken`, `mobile_taken`
     */
    async edit(caller: Caller, id: string, body: EditAccountBody): Promise<Account> {
      await store.transaction(async (tx) => {
        const before = await tx.users.lock(id)
        const changes = readIdentifierChanges(body, before)
        const identifiers = changes.map((change) => ({ ...change, verified: true }))
        await tx.users.update(id, { ...readProfile(body), identifiers })
        const moved = addressKinds.filter((kind) => identifiers.some((one) => one.kind === kind))
        if (moved.length > 0) await revokeCodes(tx, id)
        for (const kind of moved) {
          const address = before[kind]
          const message = 'address_changed'
          if (address) await tx.outbox.put({ message, kind, address, user_id: id })
        }
        await note(tx, 'user.updated', caller, id)
      })
      return get(id)
    },

    /** Ends every session, and lets none begin. @throws AppError `not_found`, `last_admin` */
    async disable(caller: Caller, id: string): Promise<Account> {
      await store.transaction((tx) =>
        tx.roles.keepingAnAdmin(async () => {
          await tx.users.lock(id)
          await tx.users.setDisabled(id, true)
          await tx.sessions.endAll(id)
          await revokeCodes(tx, id)
          await note(tx, 'user.disabled', caller, id)
        }),
      )
      return get(id)
    },

    /** @throws AppError `not_found` */
    async enable(caller: Caller, id: string): Promise<Account> {
      await store.transaction(async (tx) => {
        await tx.users.lock(id)
        await tx.users.setDisabled(id, false)
        await note(tx, 'user.enabled', caller, id)
      })
      return get(id)
    },

    /** @throws AppError `not_found`, `last_admin` */
    delete: (caller: Caller, id: string): Promise<void> => users.remove(caller, id),

    /**
     * Takes the password away, ends every session, and asks the owner to choose another password.
     * @throws AppError `not_found`, `no_address`
     */
    async forceReset(caller: Caller, id: string): Promise<void> {
      await store.transaction(async (tx) => {
        const address = addressFor(await tx.users.lock(id))
        if (!address) throw new AppError('no_address')
        await tx.users.setPassword(id, null)
        await tx.sessions.endAll(id)
        await revokeCodes(tx, id)
        const message: MessageName = 'choose_password'
        await tx.outbox.put({ message, ...address, user_id: id })
        await note(tx, 'password.reset_forced', caller, id)
      })
    },

    /** How many there were. @throws AppError `not_found` */
    async endSessions(caller: Caller, id: string): Promise<number> {
      return store.transaction(async (tx) => {
        await tx.users.lock(id)
        const ended = await tx.sessions.endAll(id)
        await note(tx, 'session.ended', caller, id, { ended })
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

  function readNewUser(body: Omit<CreateAccountBody, 'roles'>): NewUser {
    const identifiers = identifierKinds.flatMap((kind) => {
      const typed = body[kind]
      return typed === undefined ? [] : [readIdentifier(kind, typed)]
    })
    return {
      id: newId(),
      ...newProfile(body),
      identifiers,
      password_hash: null,
      activated: false,
      verified: true,
    }
  }

  async function insert(tx: Repositories, caller: Caller, user: NewUser, names: string[]) {
    if (!(await tx.users.create(user))) {
      const [holder] = await tx.users.findHolders(user.identifiers)
      throw holder ? taken(holder.kind) : new AppError('unavailable')
    }
    for (const name of names) await roles.grantIn(tx, caller, user.id, name)
    await note(tx, 'user.created', caller, user.id)
  }

  async function note(
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

function addressOf(user: { email?: string | null; mobile?: string | null }) {
  const kind = addressKinds.find((name) => user[name] != null)
  return kind && { kind, address: readIdentifier(kind, user[kind] ?? '').text }
}
