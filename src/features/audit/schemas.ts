import { Type, type Static } from '@sinclair/typebox'
import { Id, Limit } from '../../http/replies.js'

/** All events of the audit log. A refresh is not audited, unless it repeats a spent token after the grace. */
export const auditEvents = [
  'user.registered',
  'user.registered_again',
  'user.created',
  'user.activated',
  'user.updated',
  'user.address_changed',
  'user.disabled',
  'user.enabled',
  'user.deleted',
  'user.claimed',
  'identity.linked',
  'identity.unlinked',
  'login.succeeded',
  'login.failed',
  'reauthentication.failed',
  'code.refused',
  'access.denied',
  'session.ended',
  'session.refresh_repeated',
  'session.refresh_reuse',
  'password.changed',
  'password.reset',
  'password.reset_forced',
  'token.revoked',
  'client.created',
  'client.deleted',
  'client.refused',
  'role.created',
  'role.deleted',
  'role.granted',
  'role.revoked',
  'key.rotated',
  'key.removed',
] as const
export type AuditEvent = (typeof auditEvents)[number]

const NullableId = Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'uuid' })
const NullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] })

export const AuditEntry = Type.Object(
  {
    id: Id(),
    at: Type.String({ format: 'date-time' }),
    event: Type.Unsafe<AuditEvent>(Type.String({ enum: [...auditEvents] })),
    actor_id: NullableId,
    user_id: NullableId,
    address: NullableText,
    user_agent: NullableText,
    request_id: NullableText,
    detail: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: 'AuditEntry' },
)
export type AuditEntry = Static<typeof AuditEntry>

export const AuditQuery = Type.Object(
  {
    cursor: Type.Optional(Id('`next` of the previous page')),
    limit: Type.Optional(Limit),
    user_id: Type.Optional(Id()),
    event: Type.Optional(Type.String({ enum: [...auditEvents] })),
  },
  { additionalProperties: false },
)

export const AuditReply = Type.Object(
  {
    status: Type.Literal('success'),
    entries: Type.Array(AuditEntry),
    next: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'the cursor of the next page',
    }),
  },
  { title: 'AuditReply' },
)
