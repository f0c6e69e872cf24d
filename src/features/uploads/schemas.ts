import { Type } from '@sinclair/typebox'
import { base64Url256 } from '../../http/patterns.js'
import { Id } from '../../http/replies.js'

export const Readme = Type.Object(
  {
    front_matter: Type.Record(Type.String(), Type.Unknown(), { description: 'the YAML, as JSON' }),
    markdown: Type.String(),
  },
  { title: 'Readme' },
)

export const ReadmeReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.Optional(Type.String()),
    readme: Readme,
  },
  { title: 'ReadmeReply' },
)

export const Markdown = Type.String({ contentMediaType: 'text/markdown' })
export const ReadmeHtml = Type.String({ contentMediaType: 'text/html' })

export const OwnerParams = Type.Object({ id: Id() })

export const PictureQuery = Type.Object(
  {
    size: Type.Optional(
      Type.Unsafe<'large' | 'small'>(
        Type.String({
          enum: ['large', 'small'],
          description: '`large`: at most 1024 pixels a side; `small`: 128 by 128',
        }),
      ),
    ),
    v: Type.Optional(
      Type.String({
        ...base64Url256,
        description: 'the version of the picture, as in `picture_url`',
      }),
    ),
  },
  { additionalProperties: false },
)
