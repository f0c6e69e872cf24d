import { Type, type Static } from '@sinclair/typebox'
import { Cursor, Sort, Total, totals } from '../../http/lists.js'
import { Id, Limit } from '../../http/replies.js'
import { Time } from '../../http/times.js'
import { Identifiers } from '../identifiers/schemas.js'
import { RoleName } from '../roles/schemas.js'
import { changes, oneLine, profile, User } from '../users/schemas.js'

const NullableTime = (options: { description?: string } = {}) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', ...options })

/** A user with the fields that only administrators see. */
export const Account = Type.Composite([
  User,
  Type.Object({
    activated_at: NullableTime(),
    disabled_at: NullableTime(),
    email_verified_at: NullableTime(),
    mobile_verified_at: NullableTime(),
    last_login_at: NullableTime({ description: 'null before the first login' }),
  }),
])
export type Account = Static<typeof Account>

export const AccountReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.Optional(Type.String()),
    user: Account,
  },
  { title: 'AccountReply' },
)

export const AccountParams = Type.Object({ id: Id() })

export const accountStates = ['active', 'disabled', 'pending'] as const
export type AccountState = (typeof accountStates)[number]

/** What the list of users can be sorted by. Each has an index. */
export const accountSorts = {
  created_at: 'time',
  email: 'text',
  last_login_at: 'time',
} as const

const neverLoggedIn = 'leaves out users who have never logged in'

export const AccountsQuery = Type.Object(
  {
    search: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        ...oneLine,
        description: 'part of a name, username, e-mail address or mobile number',
      }),
    ),
    role: Type.Optional(RoleName),
    state: Type.Optional(
      Type.Unsafe<AccountState>(
        Type.String({ enum: [...accountStates], description: '`pending`: not activated yet' }),
      ),
    ),
    created_after: Type.Optional(Time('created at this time or later')),
    created_before: Type.Optional(Time('created before this time')),
    last_login_after: Type.Optional(Time(`logged in at this time or later; ${neverLoggedIn}`)),
    last_login_before: Type.Optional(Time(`last logged in before this time; ${neverLoggedIn}`)),
    sort: Type.Optional(Sort(accountSorts)),
    total: Type.Optional(Total),
    cursor: Type.Optional(Cursor),
    limit: Type.Optional(Limit),
  },
  { additionalProperties: false },
)
export type AccountsQuery = Static<typeof AccountsQuery>

export const AccountsReply = Type.Object(
  {
    status: Type.Literal('success'),
    users: Type.Array(Account),
    next: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'the cursor of the next page; null on the last page',
    }),
    ...totals,
  },
  { title: 'AccountsReply' },
)

/** It has no password: the owner chooses one with the invitation message (ASVS 6.4.6). */
export const CreateAccountBody = Type.Object(
  { ...Identifiers, ...profile, roles: Type.Optional(Type.Array(RoleName, { maxItems: 50 })) },
  { title: 'CreateAccountBody', additionalProperties: false },
)
export type CreateAccountBody = Static<typeof CreateAccountBody>

export const EditAccountBody = Type.Object(changes, {
  title: 'EditAccountBody',
  additionalProperties: false,
  minProperties: 1,
})
export type EditAccountBody = Static<typeof EditAccountBody>
