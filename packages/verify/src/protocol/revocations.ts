import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

const Uuid = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
})

/** What was denied since a cursor (`typ: revocations+jwt`), for who verifies tokens on their own. */
export const RevocationClaims = Type.Object({
  iss: Type.String(),
  iat: Type.Integer(),
  exp: Type.Integer(),
  /** Of when it tells, in milliseconds by the clock of the database. */
  at: Type.Number(),
  /**
   * The history of the database that it tells of; after a failover it is another, and the list of all
   * follows. Services of an earlier release do not say.
   */
  history: Type.Optional(Type.String({ maxLength: 100 })),
  /** The cursor that was asked about: an answer to another question is none. */
  after: Type.Union([Type.String(), Type.Null()]),
  /** The cursor to ask about next. */
  next: Type.String({ minLength: 1, maxLength: 2_000 }),
  /** Whether this is a page of the list of all, since the cursor was none that can be answered. */
  full: Type.Boolean(),
  /** Whether that list goes on at `next`. */
  more: Type.Boolean(),
  /** The `kid` of every key whose access tokens are good. */
  keys: Type.Array(Type.String()),
  /** How long an access token lives at most, in seconds. */
  lifetime: Type.Integer({ minimum: 1 }),
  /** The id of a token, session, user or client; seconds; the epoch, null where it is dead. */
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

export const areRevocations = (payload: unknown): payload is RevocationClaims =>
  shape.Check(payload)

/** How long an answer may be relied on, in seconds: it may not be kept and played again. */
export const revocationsLifetime = 10
