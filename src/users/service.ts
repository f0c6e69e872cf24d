import { invalidField } from '../errors.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import { identifierKinds, readIdentifier } from './identifiers.js'
import type { UserRepository } from './repository.js'
import type { RegisterBody, User } from './schemas.js'

type Dependencies = {
  users: UserRepository
  passwords: PasswordHasher
  policy: PasswordPolicy
  newId: () => string
}

/** Accounts: who may be a user, and how one comes to be. */
export function createUserService({ users, passwords, policy, newId }: Dependencies) {
  return {
    /**
     * Makes an account from at least one identifier and a password.
     * @throws AppError `validation_failed`, `weak_password`, `email_taken`, `username_taken`,
     *   `mobile_taken`, `overloaded`
     */
    async register(body: RegisterBody): Promise<User> {
      const identifiers = identifierKinds.flatMap((kind) => {
        const typed = body[kind]
        return typed === undefined ? [] : [readIdentifier(kind, typed)]
      })
      if (identifiers.length === 0) {
        throw invalidField('email', 'is required, or a username, or a mobile number')
      }
      const name = body.name?.normalize('NFC').trim() || null
      policy.check(body.password, [name, ...identifiers.map(({ canonical }) => canonical)])
      return users.create({
        id: newId(),
        name,
        gender: body.gender?.trim() || null,
        identifiers,
        password_hash: await passwords.hash(body.password),
      })
    },

    /** The user that a token speaks of. @throws AppError `not_found` */
    get: (id: string): Promise<User> => users.get(id),
  }
}

export type UserService = ReturnType<typeof createUserService>
