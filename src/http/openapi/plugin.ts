import swagger from '@fastify/swagger'
import type { FastifySchema } from 'fastify'
import fp from 'fastify-plugin'
import type { ErrorCode } from '../../errors.js'
import { release } from '../../config/release.js'
import { createDocument, sendDocument, type Document } from '../documents.js'
import { publish } from './publish.js'

declare module 'fastify' {
  interface FastifySchema {
    /** The codes of errors that this route may answer, beside those that its inputs and its access bring. */
    errors?: readonly ErrorCode[]
    'x-errors'?: readonly ErrorCode[]
  }
}

type Options = { publicUrl: string }

/** The OpenAPI 3.1 document at `/openapi.json`, made from the routes' schemas. */
export const openapi = fp<Options>(
  async (app, { publicUrl }) => {
    await app.register(swagger, {
      transform: ({ schema, url }) => ({ schema: withErrors(withFile(schema)), url }),
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Gatehouse',
          version: release,
          summary: 'JWT authentication over PostgreSQL',
          description:
            'Users register, log in, refresh and log out. Other services verify the tokens.',
          license: { name: 'MIT', identifier: 'MIT' },
        },
        externalDocs: { url: `${publicUrl}/docs`, description: 'The reference for people' },
        servers: [{ url: publicUrl }],
        components: {
          securitySchemes: {
            bearer: {
              type: 'http',
              scheme: 'bearer',
              bearerFormat: 'JWT',
              description: 'an access token (RFC 9068); verify it as RFC8725 says',
            },
            apiKey: {
              type: 'http',
              scheme: 'bearer',
              description: 'an API key of a user, for scripts; it begins with `gatehouse_`',
            },
            client: {
              type: 'http',
              scheme: 'basic',
              description: 'the name and the secret of a client (RFC 6749 §2.3.1)',
            },
            session: {
              type: 'apiKey',
              in: 'cookie',
              name: 'session',
              description:
                'its name is `__Host-session` over https; clients other than browsers may send `session`',
            },
          },
        },
      },
    })

    // Created on the first request, because it takes 3 ms and 265 KB.
    let document: Document | undefined
    app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
      document ??= createDocument(JSON.stringify(publish(app.swagger())))
      return sendDocument(request, reply, document, 300)
    })
  },
  { name: 'openapi' },
)

const fileForm = {
  type: 'object',
  required: ['file'],
  properties: { file: { type: 'string', format: 'binary', description: 'of any name' } },
}

/** A route that reads a file has no schema for its body: Fastify would validate it. */
const withFile = (schema: FastifySchema): FastifySchema =>
  schema.consumes?.includes('multipart/form-data') ? { ...schema, body: fileForm } : schema

/** @fastify/swagger copies the properties that begin with `x-`. */
const withErrors = ({ errors = [], ...schema }: FastifySchema): FastifySchema => ({
  ...schema,
  'x-errors': errors,
})
