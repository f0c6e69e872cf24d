import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { createDocument, sendDocument } from '../../http/documents.js'
import { replies } from '../../http/replies.js'
import { deviceCodeGrant, Metadata, tokenExchange } from './schemas.js'

type Options = { issuer: string; publicUrl: string; offersDeviceLogin: boolean }

const bySecret = ['client_secret_basic', 'client_secret_post']

/** The authorization server metadata, by which clients find the endpoints (RFC 8414). */
export const metadataRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { issuer, publicUrl, offersDeviceLogin },
) => {
  const at = (path: string) => new URL(path, publicUrl).href
  const document = createDocument(
    JSON.stringify({
      issuer,
      authorization_endpoint: at('/oauth/authorize'),
      ...(offersDeviceLogin && {
        device_authorization_endpoint: at('/oauth/device_authorization'), // RFC 8628 §4
      }),
      token_endpoint: at('/oauth/token'),
      introspection_endpoint: at('/oauth/introspect'),
      revocation_endpoint: at('/oauth/revoke'),
      jwks_uri: at('/.well-known/jwks.json'),
      grant_types_supported: [
        'authorization_code',
        'client_credentials',
        'refresh_token',
        tokenExchange,
        ...(offersDeviceLogin ? [deviceCodeGrant] : []),
      ],
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true, // RFC 9207 §3
      prompt_values_supported: ['none', 'login'],
      acr_values_supported: ['mfa'], // RFC 9470 §7
      token_endpoint_auth_methods_supported: [...bySecret, 'none'],
      introspection_endpoint_auth_methods_supported: bySecret,
      revocation_endpoint_auth_methods_supported: [...bySecret, 'none'],
    }),
  )

  app.get(
    '/.well-known/oauth-authorization-server',
    {
      schema: {
        summary: 'The endpoints for other services (RFC 8414)',
        tags: ['tokens'],
        response: replies({ 200: Metadata, 304: Type.Null() }),
      },
    },
    async (request, reply) => sendDocument(request, reply, document, 300),
  )
}
