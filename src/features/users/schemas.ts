import { Type, type Static } from '@sinclair/typebox'
import { matching } from '../../http/patterns.js'
import { Id } from '../../http/replies.js'

const Nullable = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

/** A user, as in every reply. */
export const User = Type.Object(
  {
    id: Id('UUIDv7, never reassigned'),
    name: Nullable('display name'),
    username: Nullable('unique'),
    email: Nullable('unique'),
    mobile: Nullable('unique'),
    gender: Nullable('free text'),
    email_verified: Type.Boolean({
      description: 'the owner confirmed the address, or an administrator set it',
    }),
    mobile_verified: Type.Boolean({ description: 'the same for the mobile number' }),
    active: Type.Boolean({ description: 'activated and not disabled' }),
    roles: Type.Array(Type.String()),
    picture_url: Nullable('URL of the picture; it changes with the picture'),
    readme_url: Nullable('URL of the README'),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
  },
  { title: 'User' },
)
export type User = Static<typeof User>

export const UserReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.Optional(Type.String()),
    user: User,
  },
  { title: 'UserReply' },
)

// policy.ts limits the bytes to 1,024. A text has at most as many UTF-16 units as UTF-8 bytes.
export const Password = Type.String({
  minLength: 1,
  maxLength: 1_024,
  description: '8 characters to 1,024 bytes',
})

// No line breaks, because names appear in mail headers, and no bidirectional overrides, which reverse the
// displayed text (Unicode TR 36 §2.4).
export const oneLine = matching(
  '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]*$',
  'must be one line without control characters',
)

/** How many characters a profile field has at most. */
export const profileLengths = { name: 200, gender: 40 }

const OneLine = (maxLength: number) => Type.String({ minLength: 1, maxLength, ...oneLine })

/** The profile fields of a new user. */
export const profile = {
  name: Type.Optional(OneLine(profileLengths.name)),
  gender: Type.Optional(OneLine(profileLengths.gender)),
}

const OrNull = (maxLength: number, form: { pattern?: string } = {}) =>
  Type.Optional(
    Type.Unsafe<string | null>({ type: ['string', 'null'], minLength: 1, maxLength, ...form }),
  )

/** The fields that can be changed; `null` removes a value. */
export const changes = {
  name: OrNull(profileLengths.name, oneLine),
  gender: OrNull(profileLengths.gender, oneLine),
  username: OrNull(320),
  email: OrNull(320),
  mobile: OrNull(320),
}

const password = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 1_024,
    description: 'the current password; required if the login is older than five minutes',
  }),
)

export const ProfileBody = Type.Object(
  { ...changes, password },
  { title: 'ProfileBody', additionalProperties: false, minProperties: 1 },
)
export type ProfileBody = Static<typeof ProfileBody>

export const ProfileReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.String(),
    user: User,
    pending: Type.Array(Type.String({ enum: ['email', 'mobile'] }), {
      description: 'addresses that change when the user confirms them by the message',
    }),
  },
  { title: 'ProfileReply' },
)

export const DeleteBody = Type.Object(
  { password: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })) },
  { title: 'DeleteBody', additionalProperties: false },
)

export const PasswordBody = Type.Object(
  { old_password: Type.String({ minLength: 1, maxLength: 1_024 }), new_password: Password },
  { title: 'PasswordBody', additionalProperties: false },
)
export type PasswordBody = Static<typeof PasswordBody>
