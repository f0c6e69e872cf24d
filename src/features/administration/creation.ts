import type { Caller } from '../../http/caller.js'
import { AppError, taken } from '../../errors.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import type { RoleGrant, RoleService } from '../roles/service.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { faultsOfProfile, newProfile } from '../users/profile.js'
import {
  addressKinds,
  faultsOfNone,
  isAddress,
  readIdentifiers,
} from '../identifiers/identifiers.js'
import type { NewUser, UserRepository } from '../users/repository.js'
import type { Account, CreateAccountBody } from './schemas.js'

export type CreationRepositories = RoleGrant & {
  audit: Pick<AuditRepository, 'add'>
  outbox: Pick<OutboxRepository, 'put'>
  users: Pick<UserRepository, 'create' | 'findHolders'>
}

type Dependencies = {
  store: UnitOfWork<CreationRepositories>
  roles: RoleService
  passwords: PasswordHasher
  policy: PasswordPolicy
  newId: () => string
  get: (id: string) => Promise<Account>
}

/** Creates accounts for other people. */
export function createAccountCreation(dependencies: Dependencies) {
  const { store, roles, passwords, policy, newId, get } = dependencies

  return {
    /**
     * Creates an account without a password, and sends its owner an invitation to choose one.
     * @throws AppError `validation_failed`, `email_taken`, `username_taken`, `mobile_taken`,
     *   `not_found` for a role
     */
    async create(
      caller: Caller,
      { roles: names = [], ...body }: CreateAccountBody,
    ): Promise<Account> {
      const { user, faults } = readNewUser(body)
      const [address] = user.identifiers.filter(isAddress)
      if (!address || faults.length > 0) {
        const fields = [...faults, ...faultsOfNone(addressKinds, body)]
        throw new AppError('validation_failed', { fields })
      }
      await store.transaction(async (tx) => {
        await insert(tx, caller, user, names)
        const { kind, text } = address
        await tx.outbox.put({ message: 'invitation', kind, address: text, user_id: user.id })
      })
      return get(user.id)
    },

    /**
     * Creates an administrator with a password, who can log in at once. For the command line.
     * @throws AppError `validation_failed`, `weak_password`, `email_taken`, `username_taken`
     */
    async createAdmin(
      caller: Caller,
      { password, ...body }: CreateAccountBody & { password: string },
    ): Promise<Account> {
      const { user, faults } = readNewUser(body)
      const names = user.identifiers.map(({ canonical }) => canonical)
      await policy.check(password, names, { others: faults })
      const password_hash = await passwords.hash(password)
      await store.transaction((tx) =>
        insert(tx, caller, { ...user, password_hash, activated: true }, ['admin']),
      )
      return get(user.id)
    },
  }

  function readNewUser(body: Omit<CreateAccountBody, 'roles'>) {
    const { identifiers, faults } = readIdentifiers(body)
    const user: NewUser = {
      id: newId(),
      ...newProfile(body),
      identifiers,
      password_hash: null,
      activated: false,
      verified: true,
    }
    return { user, faults: [...faultsOfProfile(body), ...faults] }
  }

  async function insert(tx: CreationRepositories, caller: Caller, user: NewUser, names: string[]) {
    if (!(await tx.users.create(user))) {
      const [holder] = await tx.users.findHolders(user.identifiers)
      throw holder ? taken(holder.kind) : new AppError('unavailable')
    }
    for (const name of names) await roles.grantIn(tx, caller, user.id, name)
    await tx.audit.add({ event: 'user.created', caller, user_id: user.id })
  }
}
