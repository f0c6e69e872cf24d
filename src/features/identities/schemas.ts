import { Type, type Static } from '@sinclair/typebox'

export const Identity = Type.Object({
  provider: Type.String({
    description: 'its name in our paths; of one no longer configured, its issuer',
  }),
  email: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'the address that the provider named when it was connected',
  }),
  created_at: Type.String({ format: 'date-time' }),
})
export type Identity = Static<typeof Identity>

export const IdentitiesReply = Type.Object({
  status: Type.Literal('success'),
  identities: Type.Array(Identity),
})

export const IdentityParams = Type.Object({
  provider: Type.String({ minLength: 1, maxLength: 32 }),
})
export type IdentityParams = Static<typeof IdentityParams>
