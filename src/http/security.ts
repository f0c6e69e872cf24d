import cors from '@fastify/cors'
import fp from 'fastify-plugin'
import helmet from 'helmet'
import type { IncomingMessage, ServerResponse } from 'node:http'

type Options = { corsOrigins: string[] }

/** Headers that every reply bears. Nothing that is served here may be framed, sniffed or run. */
export const security = fp<Options>(
  async (app, { corsOrigins }) => {
    const headers = { ...helmetHeaders(corsOrigins), 'cache-control': 'no-store' }
    app.addHook('onRequest', (_request, reply, done) => {
      reply.headers(headers)
      done()
    })
    if (corsOrigins.length === 0) return
    await app.register(cors, {
      origin: corsOrigins,
      credentials: true,
      methods: ['GET', 'POST', 'PATCH', 'DELETE'],
      allowedHeaders: ['Authorization', 'Content-Type'],
      exposedHeaders: [
        'RateLimit-Limit',
        'RateLimit-Remaining',
        'RateLimit-Reset',
        'Retry-After',
        'WWW-Authenticate',
      ],
      maxAge: 600,
    })
  },
  { name: 'security' },
)

/** What helmet would set, over and over, on each reply: it is always the same. */
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
    // What only documents have a use for: pages set it themselves.
    crossOriginOpenerPolicy: false,
    // What only browsers of long ago read, or plugins that are gone.
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
