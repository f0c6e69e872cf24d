import { Type, type Static } from '@sinclair/typebox'

export const Identity = Type.Object(
  {
    provider: Type.String({
      description:
        'the name in paths, such as `google`; the issuer if the provider is no longer configured',
    }),
    email: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'the address that the provider returned when it was connected',
    }),
    created_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Identity' },
)
export type Identity = Static<typeof Identity>

export const IdentitiesReply = Type.Object(
  {
    status: Type.Literal('success'),
    identities: Type.Array(Identity),
  },
  { title: 'IdentitiesReply' },
)

export const IdentityParams = Type.Object({
  provider: Type.String({ minLength: 1, maxLength: 32 }),
})
export type IdentityParams = Static<typeof IdentityParams>
