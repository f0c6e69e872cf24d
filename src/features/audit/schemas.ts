import { Type, type Static } from '@sinclair/typebox'
import { Cursor, Sort, Total, totals } from '../../http/lists.js'
import { Id, Limit } from '../../http/replies.js'
import { Time } from '../../http/times.js'

/** All events of the audit log. A refresh is audited only if its token was spent and the grace was over. */
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
  'invitation.created',
  'invitation.revoked',
  'identity.linked',
  'identity.unlinked',
  'login.succeeded',
  'login.failed',
  'login.disowned',
  'factor.added',
  'factor.removed',
  'factor.codes_renewed',
  'factor.refused',
  'passkey.added',
  'passkey.renamed',
  'passkey.removed',
  'passkey.refused',
  'device.trusted',
  'device.forgotten',
  'device_login.approved',
  'device_login.denied',
  'reauthentication.failed',
  'code.refused',
  'access.denied',
  'session.opened',
  'session.code_reuse',
  'session.ended',
  'session.refresh_repeated',
  'session.refresh_reuse',
  'password.changed',
  'password.reset',
  'password.reset_forced',
  'token.revoked',
  'client.created',
  'client.changed',
  'client.deleted',
  'client.refused',
  'role.created',
  'role.deleted',
  'role.granted',
  'role.revoked',
  'api_key.created',
  'api_key.revoked',
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

/** What the audit log can be sorted by. It has an index. */
export const auditSorts = { at: 'time' } as const

export const AuditQuery = Type.Object(
  {
    cursor: Type.Optional(Cursor),
    limit: Type.Optional(Limit),
    user_id: Type.Optional(Id()),
    event: Type.Optional(Type.String({ enum: [...auditEvents] })),
    created_after: Type.Optional(Time('written at this time or later')),
    created_before: Type.Optional(Time('written before this time')),
    sort: Type.Optional(Sort(auditSorts)),
    total: Type.Optional(Total),
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
    ...totals,
  },
  { title: 'AuditReply' },
)
