import { Type } from '@sinclair/typebox'
import { Id } from '../../http/replies.js'

export const Readme = Type.Object({
  front_matter: Type.Record(Type.String(), Type.Unknown(), { description: 'the YAML, as JSON' }),
  markdown: Type.String(),
})

export const ReadmeReply = Type.Object({
  status: Type.Literal('success'),
  message: Type.Optional(Type.String()),
  readme: Readme,
})

export const OwnerParams = Type.Object({ id: Id() })

export const PictureQuery = Type.Object(
  {
    size: Type.Optional(
      Type.Unsafe<'large' | 'small'>(
        Type.String({ enum: ['large', 'small'], description: 'up to 1024 pixels, or 128 square' }),
      ),
    ),
    v: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_-]{43}$',
        description: 'the version that `picture_url` names',
      }),
    ),
  },
  { additionalProperties: false },
)
