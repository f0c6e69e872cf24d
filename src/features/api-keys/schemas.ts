import { Type, type Static } from '@sinclair/typebox'
import { Id } from '../../http/replies.js'
import { RoleName } from '../roles/schemas.js'
import { oneLine } from '../users/schemas.js'

export const maxKeyDays = 365
export const defaultKeyDays = 90

const NullableTime = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })

export const ApiKey = Type.Object(
  {
    id: Id(),
    name: Type.String(),
    roles: Type.Array(RoleName, {
      description: 'the roles that the key may use while the user has them too',
    }),
    created_at: Type.String({ format: 'date-time' }),
    expires_at: Type.String({ format: 'date-time' }),
    last_used_at: NullableTime('to within 15 minutes; null before the first use'),
  },
  { title: 'ApiKey' },
)
export type ApiKey = Static<typeof ApiKey>

export const ApiKeyBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100, ...oneLine, description: 'what it is for' }),
    roles: Type.Optional(
      Type.Array(RoleName, {
        maxItems: 50,
        description: 'roles of the user that the key may use; none by default',
      }),
    ),
    expires_in_days: Type.Optional(
      Type.Integer({ minimum: 1, maximum: maxKeyDays, default: defaultKeyDays }),
    ),
    password: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1_024,
        description: 'needed unless the login is younger than five minutes',
      }),
    ),
  },
  { title: 'ApiKeyBody', additionalProperties: false },
)
export type ApiKeyBody = Static<typeof ApiKeyBody>

export const ApiKeyParams = Type.Object({ id: Id() })

export const NewApiKeyReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.String(),
    key: Type.String({ description: 'the secret; it is shown only here' }),
    api_key: ApiKey,
  },
  { title: 'NewApiKeyReply' },
)

export const ApiKeysReply = Type.Object(
  { status: Type.Literal('success'), api_keys: Type.Array(ApiKey) },
  { title: 'ApiKeysReply' },
)
