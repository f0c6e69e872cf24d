import { Type, type Static } from '@sinclair/typebox'
import { Id } from '../../http/replies.js'
import { Code, recoveryCodes } from '../factors/schemas.js'
import { Identifiers, IdentifierText } from '../identifiers/schemas.js'
import { User } from '../users/schemas.js'

const tokens = {
  access_token: Type.String({ description: 'JWT, `typ: at+jwt` (RFC 9068)' }),
  refresh_token: Type.String({ description: 'JWT, `typ: rt+jwt`, for POST /api/refresh only' }),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'seconds that the access token lives' }),
  refresh_expires_in: Type.Integer({ description: 'seconds that the session lives' }),
}

export const LoginBody = Type.Object(
  {
    ...Identifiers,
    identifier: Type.Optional(IdentifierText('any of the three, as a person types it')),
    password: Type.String({ minLength: 1, maxLength: 1_024 }),
  },
  { title: 'LoginBody', additionalProperties: false },
)
export type LoginBody = Static<typeof LoginBody>

export const LoginReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.String(),
    ...tokens,
    user: User,
  },
  { title: 'LoginReply' },
)

export const VerifyBody = Type.Object(
  {
    challenge: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'from the error `second_factor_required`',
    }),
    code: Code,
    trust: Type.Optional(
      Type.Boolean({ description: 'do not ask this device for the second factor for 30 days' }),
    ),
  },
  { title: 'VerifyBody', additionalProperties: false },
)
export type VerifyBody = Static<typeof VerifyBody>

export const ChallengeBody = Type.Object(
  { challenge: VerifyBody.properties.challenge },
  { title: 'ChallengeBody', additionalProperties: false },
)

export const VerifyReply = Type.Object(
  { ...LoginReply.properties, recovery_codes: Type.Optional(recoveryCodes) },
  { title: 'VerifyReply' },
)

/** Without a body, the token is read from the Authorization header or the `refresh` cookie. */
export const RefreshBody = Type.Union([
  Type.Object(
    { refresh_token: Type.Optional(Type.String({ minLength: 1, maxLength: 8_192 })) },
    { title: 'RefreshBody', additionalProperties: false },
  ),
  Type.Null(),
])

export const RefreshReply = Type.Object(
  { status: Type.Literal('success'), message: Type.String(), ...tokens },
  { title: 'RefreshReply' },
)

export const LogoutBody = Type.Union([
  Type.Object(
    { everywhere: Type.Optional(Type.Boolean({ description: 'end every session of the user' })) },
    { title: 'LogoutBody', additionalProperties: false },
  ),
  Type.Null(),
])

export const Session = Type.Object(
  {
    id: Id(),
    user_agent: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    address: Type.String({ description: 'the IP address of the login' }),
    created_at: Type.String({ format: 'date-time' }),
    last_used_at: Type.String({
      format: 'date-time',
      description: 'the login or the last refresh',
    }),
    expires_at: Type.String({ format: 'date-time' }),
    current: Type.Boolean({ description: 'whether this request belongs to the session' }),
  },
  { title: 'Session' },
)
export type Session = Static<typeof Session>

export const SessionsReply = Type.Object(
  {
    status: Type.Literal('success'),
    sessions: Type.Array(Session),
  },
  { title: 'SessionsReply' },
)

export const SessionParams = Type.Object({ id: Id() })

export const EndSessionsQuery = Type.Object(
  { keep: Type.Optional(Type.Literal('current', { description: 'keep this session' })) },
  { additionalProperties: false },
)

export const EndedReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.String(),
    ended: Type.Integer({ description: 'how many sessions were ended' }),
  },
  { title: 'EndedReply' },
)
