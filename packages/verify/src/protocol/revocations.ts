import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { revocationsAudienceOf } from './audiences.js'
import { isInForce, Uuid } from './claims.js'

export type RevocationsType = 'revocations+jwt'

/** The denials since a cursor (`typ: revocations+jwt`), for services that verify tokens locally. */
export const RevocationClaims = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  iat: Type.Integer(),
  exp: Type.Integer(),
  /** The time of the listed state, in milliseconds since 1970 by the clock of the database. */
  at: Type.Number(),
  /**
   * The name of the database history. A failover changes it, and then the service sends the whole list. Earlier
   * releases of the service send no name.
   */
  history: Type.Optional(Type.String({ maxLength: 100 })),
  /** The cursor of the request. A verifier rejects an answer with another cursor. */
  after: Type.Union([Type.String(), Type.Null()]),
  /** The cursor of the next request. */
  next: Type.String({ minLength: 1, maxLength: 2_000 }),
  /** Whether this is a page of the whole list, because the service cannot continue from the cursor. */
  full: Type.Boolean(),
  /** Whether the whole list continues at `next`. */
  more: Type.Boolean(),
  /** The `kid` of every key that verifies access tokens. */
  keys: Type.Array(Type.String()),
  /** The longest lifetime of an access token, in seconds. */
  lifetime: Type.Integer({ minimum: 1 }),
  /**
   * Each denial has the id of a token, session, user or client, the expiry in seconds since 1970, and the lowest
   * accepted epoch. A `null` epoch denies every token of the id.
   */
  denials: Type.Array(
    Type.Tuple([
      Uuid,
      Type.Integer({ minimum: 0 }),
      Type.Union([Type.Integer({ minimum: 0, maximum: 2_147_483_647 }), Type.Null()]),
    ]),
  ),
})
export type RevocationClaims = Static<typeof RevocationClaims>

const shape = TypeCompiler.Compile(RevocationClaims)

type Bounds = { issuer: string; now: Date }

/** Whether a payload with a verified signature is an unexpired list of this issuer. */
export function areRevocations(
  payload: unknown,
  { issuer, now }: Bounds,
): payload is RevocationClaims {
  return (
    shape.Check(payload) &&
    payload.iss === issuer &&
    payload.aud === revocationsAudienceOf(issuer) &&
    isInForce(payload, now.getTime() / 1_000)
  )
}

/** The lifetime of an answer in seconds. After it, a recorded answer cannot be replayed. */
export const revocationsLifetime = 10
