import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

const Uuid = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
})
/** How often a session was refreshed before. */
const Generation = Type.Integer({ minimum: 0, maximum: 2_147_483_646 })
const Time = Type.Integer({ minimum: 0, maximum: 253_402_300_799 })

/**
 * Claims of an access token (RFC 9068 §2.2, `typ: at+jwt`). Times in seconds. Who somebody is called
 * is as it was when the token was issued; a name that they have not is left out.
 */
export const AccessClaims = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  sub: Uuid,
  client_id: Type.String({ minLength: 1, maxLength: 64 }),
  jti: Uuid,
  sid: Uuid,
  gen: Generation,
  roles: Type.Array(Type.String()),
  username: Type.Optional(Type.String()),
  /** Verified, and so `email_verified` stands beside it. */
  email: Type.Optional(Type.String()),
  email_verified: Type.Optional(Type.Literal(true)),
  name: Type.Optional(Type.String()),
  epoch: Type.Integer({ minimum: 0 }),
  iat: Time,
  exp: Time,
})
export type AccessClaims = Static<typeof AccessClaims>

/** The `client_id` of tokens that users get for their password. */
export const ownClientId = 'gatehouse'

/** Whether a token speaks of another service and not of a user: it has no session but itself. */
export const isOfClient = ({ sub, sid }: AccessClaims): boolean => sub === sid

/** Claims of a refresh token (`typ: rt+jwt`). `jti` is `sid.gen`: one token has one place in its session. */
export const RefreshClaims = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  sub: Uuid,
  jti: Type.String({ pattern: '^[0-9a-f-]{36}\\.[0-9]{1,10}$' }),
  sid: Uuid,
  gen: Generation,
  iat: Time,
  exp: Time,
})
export type RefreshClaims = Static<typeof RefreshClaims>

export type TokenType = 'at+jwt' | 'rt+jwt'

type Bounds = { issuer: string; audience: string; maxLifetime: number; now: Date }

/**
 * How many seconds `iat` may lie ahead: the clocks of our instances may differ a little; a refresh
 * token bears the time of the database.
 */
const leeway: Record<TokenType, number> = { 'at+jwt': 5, 'rt+jwt': 60 }

const shapes = {
  'at+jwt': TypeCompiler.Compile(AccessClaims),
  'rt+jwt': TypeCompiler.Compile(RefreshClaims),
}

export type ClaimsOf = { 'at+jwt': AccessClaims; 'rt+jwt': RefreshClaims }

/**
 * Whether a signed payload is one that this service makes: every claim there and of its type, for
 * us, from us, alive, and not living longer than our tokens do. The library skips a claim that is
 * absent and trusts any lifetime.
 */
export function areClaims<Type extends TokenType>(
  type: Type,
  payload: unknown,
  { issuer, audience, maxLifetime, now }: Bounds,
): payload is ClaimsOf[Type] {
  if (!shapes[type].Check(payload)) return false
  const seconds = now.getTime() / 1_000
  return (
    payload.iss === issuer &&
    payload.aud === audience &&
    seconds < payload.exp &&
    payload.iat <= seconds + leeway[type] &&
    payload.iat < payload.exp &&
    payload.exp - payload.iat <= maxLifetime
  )
}
