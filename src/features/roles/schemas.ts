import { Type, type Static } from '@sinclair/typebox'
import { matching } from '../../http/patterns.js'
import { Id } from '../../http/replies.js'

export const RoleName = Type.String({
  ...matching(
    '^[a-z][a-z0-9_-]{0,62}$',
    'must be 1 to 63 of a-z, 0-9, "_" and "-", beginning with a letter',
  ),
  description: 'lower case letters, digits, `_` and `-`',
})

export const Role = Type.Object(
  {
    name: RoleName,
    users: Type.Integer({ description: 'how many users have the role' }),
    created_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Role' },
)
export type Role = Static<typeof Role>

export const RoleBody = Type.Object(
  { name: RoleName },
  { title: 'RoleBody', additionalProperties: false },
)
export const RoleParams = Type.Object({ name: RoleName })
export const GrantParams = Type.Object({ id: Id(), name: RoleName })

export const RoleReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.String(),
    role: Role,
  },
  { title: 'RoleReply' },
)
export const RolesReply = Type.Object(
  { status: Type.Literal('success'), roles: Type.Array(Role) },
  { title: 'RolesReply' },
)
