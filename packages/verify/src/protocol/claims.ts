import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

export const Uuid = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
})
/** How often the session was refreshed before this token was issued. */
const Generation = Type.Integer({ minimum: 0, maximum: 2_147_483_646 })
const Time = Type.Integer({ minimum: 0, maximum: 253_402_300_799 })

/**
 * Claims of an access token (RFC 9068 §2.2, `typ: at+jwt`). Times are in seconds. The profile of the user is
 * that at the time of issue. A claim without a value is omitted.
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
  /** Only a verified address, so `email_verified` is always present with it. */
  email: Type.Optional(Type.String()),
  email_verified: Type.Optional(Type.Literal(true)),
  name: Type.Optional(Type.String()),
  epoch: Type.Integer({ minimum: 0 }),
  /** When the user proved who they are. A refresh does not change it. */
  auth_time: Type.Optional(Time),
  /** How: values of RFC 8176. Omitted if no such value is known. */
  amr: Type.Optional(Type.Array(Type.String())),
  /** The id of the API key that the token was issued for; `sid` has it too. No login stands behind such a token. */
  api_key: Type.Optional(Uuid),
  iat: Time,
  exp: Time,
})
export type AccessClaims = Static<typeof AccessClaims>

/** The `client_id` of tokens that users get by logging in to Gatehouse itself, not through an app. */
export const ownClientId = 'gatehouse'

/** Whether a token was issued to a client (another service), not to a user. Such a token has no session. */
export const isOfClient = ({ sub, sid }: AccessClaims): boolean => sub === sid

/** Claims of a refresh token (`typ: rt+jwt`). `jti` is `sid.gen`, so each refresh of a session has one id. */
export const RefreshClaims = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  sub: Uuid,
  jti: Type.String({ pattern: '^[0-9a-f-]{36}\\.[0-9]{1,10}$' }),
  sid: Uuid,
  gen: Generation,
  /** The app that got the token for a code. With `bound`, only that app may use it, with its secret. */
  client_id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  bound: Type.Optional(Type.Boolean()),
  iat: Time,
  exp: Time,
})
export type RefreshClaims = Static<typeof RefreshClaims>

/**
 * Claims of the token in the cookie of an app's own host (`typ: fa+jwt`), for forward-auth of that host alone. It says
 * who the user is for as long as an access token lives, and renews itself until `exp`. The same generation of a session
 * has the same token.
 */
export const ForwardAuthClaims = Type.Object({
  ...Type.Omit(AccessClaims, ['jti', 'client_id', 'api_key']).properties,
})
export type ForwardAuthClaims = Static<typeof ForwardAuthClaims>

export type TokenType = 'at+jwt' | 'rt+jwt' | 'fa+jwt'

type Bounds = { issuer: string; audience: string; maxLifetime: number; now: Date }

/**
 * How many seconds `iat` may be in the future, because the clocks of instances differ. The `iat` of the others comes
 * from the clock of the database.
 */
const leeway: Record<TokenType, number> = { 'at+jwt': 5, 'rt+jwt': 60, 'fa+jwt': 60 }

const shapes = {
  'at+jwt': TypeCompiler.Compile(AccessClaims),
  'rt+jwt': TypeCompiler.Compile(RefreshClaims),
  'fa+jwt': TypeCompiler.Compile(ForwardAuthClaims),
}

export type ClaimsOf = {
  'at+jwt': AccessClaims
  'rt+jwt': RefreshClaims
  'fa+jwt': ForwardAuthClaims
}

/**
 * Whether a signed payload has every required claim with the right type, has this issuer and audience, is valid
 * now, and has a lifetime of at most `maxLifetime`.
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
    isInForce(payload, seconds) &&
    payload.iat <= seconds + leeway[type] &&
    payload.iat < payload.exp &&
    payload.exp - payload.iat <= maxLifetime
  )
}

/** Checks `exp` and `nbf` (RFC 7519 §4.1.4, §4.1.5). The service sets no `nbf`, but a token may have one. */
export function isInForce(payload: { exp: number }, seconds: number): boolean {
  const { exp, nbf = 0 } = payload as { exp: number; nbf?: unknown }
  return seconds < exp && typeof nbf === 'number' && nbf <= seconds
}
