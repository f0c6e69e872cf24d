import cors, { type FastifyCorsOptions } from '@fastify/cors'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import helmet from 'helmet'
import type { IncomingMessage, ServerResponse } from 'node:http'

type Options = { corsOrigins: string[] }

/** The security headers of every reply. No reply may be framed, MIME-sniffed or run as a script. */
export const security = fp<Options>(
  async (app, { corsOrigins }) => {
    const headers = { ...helmetHeaders(corsOrigins), 'cache-control': 'no-store' }
    app.addHook('onRequest', (_request, reply, done) => {
      reply.headers(headers)
      done()
    })
    if (corsOrigins.length === 0) return
    const options: FastifyCorsOptions = {
      origin: corsOrigins,
      credentials: true,
      methods: ['GET', 'POST', 'PATCH', 'DELETE'],
      allowedHeaders: ['Authorization', 'Content-Type'],
      exposedHeaders: [
        'Link',
        'RateLimit-Limit',
        'RateLimit-Remaining',
        'RateLimit-Reset',
        'Retry-After',
        'WWW-Authenticate',
        'X-Request-Id',
        'X-Total-Count',
      ],
      maxAge: 600,
    }
    // The plugin would answer 400 to an OPTIONS request that is no preflight; http/methods.ts answers it.
    const withoutPreflight = { ...options, preflight: false }
    await app.register(cors, {
      delegator: (request: FastifyRequest, done) =>
        done(null, isPlainOptions(request) ? withoutPreflight : options),
    })
  },
  { name: 'security' },
)

const isPlainOptions = ({ method, headers }: FastifyRequest) =>
  method === 'OPTIONS' &&
  (headers.origin === undefined || headers['access-control-request-method'] === undefined)

/** The headers that helmet sets. They never change, so they are computed once. */
function helmetHeaders(corsOrigins: string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  const response = {
    setHeader: (name: string, value: string) => void (headers[name.toLowerCase()] = value),
    removeHeader: () => undefined,
  }
  const set = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"] },
    },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
    referrerPolicy: { policy: 'no-referrer' },
    crossOriginResourcePolicy: {
      policy: corsOrigins.length > 0 ? 'cross-origin' : 'same-origin',
    },
    // Only HTML needs this header; src/pages sets it.
    crossOriginOpenerPolicy: false,
    // Only obsolete browsers and plugins read these.
    xFrameOptions: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
    originAgentCluster: false,
  })
  set(null as unknown as IncomingMessage, response as unknown as ServerResponse, () => undefined)
  return headers
}
