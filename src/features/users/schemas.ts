import { Type, type Static } from '@sinclair/typebox'
import { Id } from '../../http/replies.js'

const Nullable = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

/** A user as every reply shows one. */
export const User = Type.Object({
  id: Id('UUIDv7, never reassigned'),
  name: Nullable('what people call them'),
  username: Nullable('unique'),
  email: Nullable('unique'),
  mobile: Nullable('unique'),
  gender: Nullable('as they wish to state it'),
  email_verified: Type.Boolean({ description: 'its owner proved it, or an administrator set it' }),
  mobile_verified: Type.Boolean({ description: 'the same for the mobile number' }),
  active: Type.Boolean({ description: 'activated and not disabled' }),
  roles: Type.Array(Type.String()),
  picture_url: Nullable('where the picture is, for good: another picture has another URL'),
  readme_url: Nullable('where the README is'),
  created_at: Type.String({ format: 'date-time' }),
  updated_at: Type.String({ format: 'date-time' }),
})
export type User = Static<typeof User>

export const UserReply = Type.Object({
  status: Type.Literal('success'),
  message: Type.Optional(Type.String()),
  user: User,
})

// 1,024 bytes is the bound (policy.ts); no text of that many bytes has more UTF-16 units.
export const Password = Type.String({
  minLength: 1,
  maxLength: 1_024,
  description: '8 characters to 1,024 bytes',
})

// No line ends for a mail header, no overrides that make a text read backwards (Unicode TR 36 §2.4).
export const oneLine = '^[^\\p{Cc}\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]*$'
const OneLine = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: oneLine })

/** What a user says of themselves. */
export const profile = {
  name: Type.Optional(OneLine(200)),
  gender: Type.Optional(OneLine(40)),
}

const OrNull = (maxLength: number, pattern = '') =>
  Type.Optional(
    Type.Unsafe<string | null>({ type: ['string', 'null'], minLength: 1, maxLength, pattern }),
  )

/** What may be changed; `null` takes a value away. */
export const changes = {
  name: OrNull(200, oneLine),
  gender: OrNull(40, oneLine),
  username: OrNull(320),
  email: OrNull(320),
  mobile: OrNull(320),
}

const password = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 1_024,
    description: 'the present one; needed where the login is older than five minutes',
  }),
)

export const ProfileBody = Type.Object(
  { ...changes, password },
  { additionalProperties: false, minProperties: 1 },
)
export type ProfileBody = Static<typeof ProfileBody>

export const ProfileReply = Type.Object({
  status: Type.Literal('success'),
  message: Type.String(),
  user: User,
  pending: Type.Array(Type.String({ enum: ['email', 'mobile'] }), {
    description: 'what changes once the message to the new address is answered',
  }),
})

export const DeleteBody = Type.Object(
  { password: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })) },
  { additionalProperties: false },
)

export const PasswordBody = Type.Object(
  { old_password: Type.String({ minLength: 1, maxLength: 1_024 }), new_password: Password },
  { additionalProperties: false },
)
export type PasswordBody = Static<typeof PasswordBody>
