import type { IncomingMessage, ServerResponse } from 'node:http'
import { challenge, refusal, toRefusal } from './errors.js'
import { bearerOf } from './protocol/bearer.js'
import { isOfClient } from './protocol/claims.js'
import type { Claims, Verifier } from './verifier.js'

export type TokenRules = {
  /** A token without it is refused. */
  role?: string
  /** Whether the token may be a client's own. By default only where a role is asked for. */
  admitsClients?: boolean
}

/** As much of a Fastify request and reply as it takes. */
type Hooked = { headers: { authorization?: string | undefined }; raw: { rawHeaders: string[] } }
type Reply = { headers: (values: Record<string, string>) => unknown }
type Verifies = Pick<Verifier, 'verify'>

/** A Fastify `preHandler`, or `onRequest`: puts the claims into `request.user`, or throws. */
export function fastifyToken(verifier: Verifies, rules: TokenRules = {}) {
  return async function requireToken(request: Hooked, reply: Reply): Promise<void> {
    const { headers, raw } = request
    try {
      const claims = await admit(verifier, rules, headers.authorization, raw.rawHeaders)
      Object.assign(request, { user: claims })
    } catch (thrown) {
      const error = toRefusal(thrown)
      reply.headers(error.headers)
      throw error
    }
  }
}

/** Middleware for Express, Connect or node:http: puts the claims into `request.user`, or answers. */
export function requireToken(verifier: Verifies, rules: TokenRules = {}) {
  return function requireToken(
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
  ): void {
    admit(verifier, rules, request.headers.authorization, request.rawHeaders).then(
      (claims) => {
        Object.assign(request, { user: claims })
        next()
      },
      (thrown: unknown) => refuse(response, thrown),
    )
  }
}

async function admit(
  { verify }: Verifies,
  { role, admitsClients = role !== undefined }: TokenRules,
  authorization: string | undefined,
  rawHeaders: string[],
): Promise<Claims> {
  const token = bearerOf(authorization, rawHeaders)
  if (token === undefined) throw challenge()
  if (token === '') throw refusal('invalid_token')
  const claims = await verify(token)
  const hasRole = role === undefined || claims.roles.includes(role)
  if (!hasRole || (!admitsClients && isOfClient(claims))) throw refusal('forbidden')
  return claims
}

function refuse(response: ServerResponse, thrown: unknown): void {
  const { code, message, statusCode, headers } = toRefusal(thrown)
  const body = JSON.stringify({ status: 'error', code, message })
  response.writeHead(statusCode, {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  })
  response.end(body)
}
