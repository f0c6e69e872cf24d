import { Type, type Static } from '@sinclair/typebox'
import { Cursor } from '../../http/lists.js'
import { Id, Limit } from '../../http/replies.js'
import { IdentifierText } from '../identifiers/schemas.js'
import { RoleName } from '../roles/schemas.js'

/** The secret of an invitation, as in its link. */
export const InvitationToken = Type.String({
  minLength: 1,
  maxLength: 256,
  description: 'the `token` of an invitation',
})

const NullableText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

export const Invitation = Type.Object(
  {
    id: Id(),
    email: NullableText('the address that may register'),
    mobile: NullableText('the mobile number that may register'),
    roles: Type.Array(Type.String(), { description: 'granted beside `user`' }),
    inviter_id: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      format: 'uuid',
      description: 'a user or a client; null for an operator',
    }),
    created_at: Type.String({ format: 'date-time' }),
    expires_at: Type.String({ format: 'date-time' }),
    used_at: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' }),
  },
  { title: 'Invitation' },
)
export type Invitation = Static<typeof Invitation>

export const InvitationBody = Type.Object(
  {
    email: Type.Optional(IdentifierText('e-mail address')),
    mobile: Type.Optional(IdentifierText('mobile number')),
    open: Type.Optional(
      Type.Boolean({ description: 'anyone with the link may register, with any address' }),
    ),
    send: Type.Optional(
      Type.Boolean({
        description: 'false: the reply has the link, and the address must be confirmed as usual',
      }),
    ),
    roles: Type.Optional(Type.Array(RoleName, { maxItems: 20 })),
    expires_in: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: 2_592_000,
        description: 'seconds that it is valid, by default seven days',
      }),
    ),
  },
  { title: 'InvitationBody', additionalProperties: false },
)
export type InvitationBody = Static<typeof InvitationBody>

export const InvitationReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.String(),
    invitation: Invitation,
    link: Type.Optional(
      Type.String({ description: 'shown once; absent if it is sent to the address' }),
    ),
  },
  { title: 'InvitationReply' },
)

export const InvitationsReply = Type.Object(
  {
    status: Type.Literal('success'),
    invitations: Type.Array(Invitation),
    next: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'the cursor of the next page',
    }),
  },
  { title: 'InvitationsReply' },
)

export const InvitationsQuery = Type.Object(
  { cursor: Type.Optional(Cursor), limit: Type.Optional(Limit) },
  { additionalProperties: false },
)

export const InvitationParams = Type.Object({ id: Id() })
