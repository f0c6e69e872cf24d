import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { replies } from '../plugins/openapi.js'
import { jwksMaxAge } from './key-life.js'
import type { Keyring } from './keyring.js'
import { JwkSet } from './schemas.js'

type Options = { keyring: Keyring }

/** What other services need to verify a token on their own. */
export const wellKnownRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { keyring }) => {
  app.get(
    '/.well-known/jwks.json',
    {
      schema: {
        summary: 'The keys that tokens are signed with (RFC 7517)',
        tags: ['tokens'],
        response: replies({ 200: JwkSet }),
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', `public, max-age=${String(jwksMaxAge)}`)
      return keyring.jwks() as never
    },
  )
}
