import { Type, type Static } from '@sinclair/typebox'

const Nullable = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

/** A user as every reply shows one. */
export const User = Type.Object({
  id: Type.String({ format: 'uuid', description: 'UUIDv7, never reassigned' }),
  name: Nullable('what people call them'),
  username: Nullable('unique'),
  email: Nullable('unique'),
  mobile: Nullable('unique'),
  gender: Nullable('as they wish to state it'),
  active: Type.Boolean({ description: 'activated and not disabled' }),
  roles: Type.Array(Type.String()),
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

/** Identifiers are bounded here and judged in identifiers.ts, after they are normalised. */
export const IdentifierText = (description: string) =>
  Type.String({ minLength: 1, maxLength: 320, description })

export const Identifiers = {
  email: Type.Optional(IdentifierText('e-mail address')),
  username: Type.Optional(IdentifierText('user name')),
  mobile: Type.Optional(IdentifierText('mobile number')),
}

// No line ends for a mail header, no overrides that make a text read backwards (Unicode TR 36 §2.4).
const OneLine = (maxLength: number) =>
  Type.String({
    minLength: 1,
    maxLength,
    pattern: '^[^\\p{Cc}\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]*$',
  })

export const RegisterBody = Type.Object(
  {
    ...Identifiers,
    name: Type.Optional(OneLine(200)),
    gender: Type.Optional(OneLine(40)),
    password: Password,
  },
  { additionalProperties: false },
)
export type RegisterBody = Static<typeof RegisterBody>
