import type { Identifier } from '../identifiers/identifiers.js'
import { profileOf } from '../users/profile.js'
import type { NewUser } from '../users/repository.js'
import type { User } from '../users/schemas.js'

/** The reply to a discreet registration if the address is taken. It looks like the reply for a new account. */
export function asIfCreated(user: NewUser, at: Date): User {
  const { id, identifiers } = user
  const created_at = at.toISOString()
  const text = (kind: Identifier['kind']) => textOf(kind, identifiers) || null
  return {
    id,
    ...profileOf(user),
    username: text('username'),
    email: text('email'),
    mobile: text('mobile'),
    email_verified: false,
    mobile_verified: false,
    active: false,
    roles: ['user'],
    picture_url: null,
    readme_url: null,
    created_at,
    updated_at: created_at,
  }
}

export const textOf = (kind: Identifier['kind'], identifiers: Identifier[]) =>
  identifiers.find((identifier) => identifier.kind === kind)?.text ?? ''
