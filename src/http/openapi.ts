import { readFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import { Type, type TSchema } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { createDocument, sendDocument, type Document } from './documents.js'
import { errors } from '../errors.js'

/** An id as we write one; the format `uuid` would let `urn:uuid:` pass, which PostgreSQL does not. */
export const Id = (description?: string) =>
  Type.String({
    pattern: '^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$',
    ...(description && { description }),
  })

/** The one shape of every failure outside the RFCs' own endpoints. */
export const ErrorReply = Type.Object({
  status: Type.Literal('error'),
  code: Type.String({ enum: Object.keys(errors), description: 'stable; for programs' }),
  message: Type.String({ description: 'for people' }),
  errors: Type.Optional(
    Type.Array(Type.Object({ field: Type.String(), message: Type.String() }), {
      description: 'the fields at fault',
    }),
  ),
})

/** A success that has nothing to say but that. */
export const MessageReply = Type.Object({ status: Type.Literal('success'), message: Type.String() })

/** A route's replies: its own, and the failures that any route may answer. */
export function replies<Replies extends Record<number, TSchema>>(own: Replies) {
  return { ...own, '4xx': ErrorReply, '5xx': ErrorReply }
}

type Options = { publicUrl: string }

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string }

/** The OpenAPI 3.1 document at `/openapi.json`, made from the routes' schemas. */
export const openapi = fp<Options>(
  async (app, { publicUrl }) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'Gatehouse', version, description: 'JWT authentication over PostgreSQL' },
        servers: [{ url: publicUrl }],
        components: {
          securitySchemes: {
            bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
            session: {
              type: 'apiKey',
              in: 'cookie',
              name: 'session',
              description: 'over https `__Host-session`; without the prefix from scripts alone',
            },
          },
        },
      },
    })

    // Making it costs 3 ms and 265 KB.
    let document: Document | undefined
    app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
      document ??= createDocument(JSON.stringify(app.swagger()))
      return sendDocument(request, reply, document, 300)
    })
  },
  { name: 'openapi' },
)
