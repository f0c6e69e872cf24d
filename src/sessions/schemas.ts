import { Type, type Static } from '@sinclair/typebox'
import { Identifiers, User } from '../users/schemas.js'

const tokens = {
  access_token: Type.String({ description: 'JWT, `typ: at+jwt` (RFC 9068)' }),
  refresh_token: Type.String({ description: 'JWT, `typ: rt+jwt`, for POST /api/refresh only' }),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'seconds that the access token lives' }),
}

export const LoginBody = Type.Object(
  { ...Identifiers, password: Type.String({ minLength: 1, maxLength: 1_024 }) },
  { additionalProperties: false },
)
export type LoginBody = Static<typeof LoginBody>

export const LoginReply = Type.Object({
  status: Type.Literal('success'),
  message: Type.String(),
  ...tokens,
  user: User,
})

/** Without a body the token is the Bearer one, or the one in the `refresh` cookie. */
export const RefreshBody = Type.Union([
  Type.Object(
    { refresh_token: Type.Optional(Type.String({ minLength: 1, maxLength: 8_192 })) },
    { additionalProperties: false },
  ),
  Type.Null(),
])

export const RefreshReply = Type.Object({ status: Type.Literal('success'), ...tokens })

export const LogoutBody = Type.Union([
  Type.Object(
    { everywhere: Type.Optional(Type.Boolean({ description: 'end every session of the user' })) },
    { additionalProperties: false },
  ),
  Type.Null(),
])

export const LogoutReply = Type.Object({
  status: Type.Literal('success'),
  message: Type.String(),
})
