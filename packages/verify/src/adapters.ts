import type { IncomingMessage, ServerResponse } from 'node:http'
import { challenge, refusal, toRefusal } from './errors.js'
import { bearerOf } from './protocol/bearer.js'
import { isOfClient } from './protocol/claims.js'
import type { Claims, Verifier } from './verifier.js'

export type TokenRules = {
  /** The role that the token must have. */
  role?: string
  /** Whether to accept a client's own token. By default only if `role` is set. */
  admitsClients?: boolean
  /** The maximum age of the login, in seconds. A token of a client has no login, so it is refused. */
  maxAge?: number
  /** Whether the user must have given a second factor. A token of a client has none, so it is refused. */
  mfa?: boolean
}

/** The members of a Fastify request and reply that the hook uses. */
type FastifyRequestLike = {
  headers: { authorization?: string | undefined }
  raw: { rawHeaders: string[] }
}
type FastifyReplyLike = { headers: (values: Record<string, string>) => unknown }

type TokenVerifier = Pick<Verifier, 'verify'>

/** A Fastify `preHandler` or `onRequest` hook. Puts the claims into `request.user`, or throws. */
export function fastifyToken(verifier: TokenVerifier, rules: TokenRules = {}) {
  return async function requireToken(
    request: FastifyRequestLike,
    reply: FastifyReplyLike,
  ): Promise<void> {
    const { headers, raw } = request
    try {
      const claims = await authorize(verifier, rules, headers.authorization, raw.rawHeaders)
      Object.assign(request, { user: claims })
    } catch (thrown) {
      const error = toRefusal(thrown)
      reply.headers(error.headers)
      throw error
    }
  }
}

/** Middleware for Express, Connect or node:http. Puts the claims into `request.user`, or sends the error. */
export function requireToken(verifier: TokenVerifier, rules: TokenRules = {}) {
  return function requireToken(
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
  ): void {
    authorize(verifier, rules, request.headers.authorization, request.rawHeaders).then(
      (claims) => {
        Object.assign(request, { user: claims })
        next()
      },
      (thrown: unknown) => sendRefusal(response, thrown),
    )
  }
}

async function authorize(
  { verify }: TokenVerifier,
  { role, admitsClients = role !== undefined, maxAge, mfa = false }: TokenRules,
  authorization: string | undefined,
  rawHeaders: string[],
): Promise<Claims> {
  const token = bearerOf(authorization, rawHeaders)
  if (token === undefined) throw challenge()
  if (token === '') throw refusal('invalid_token')
  const claims = await verify(token)
  const hasRole = role === undefined || claims.roles.includes(role)
  if (!hasRole || (!admitsClients && isOfClient(claims))) throw refusal('forbidden')
  // After the role: a user without it would still be refused after another login. The token is verified already.
  if (maxAge === undefined && !mfa) return claims
  return verify(token, { mfa, ...(maxAge !== undefined && { maxAge }) })
}

function sendRefusal(response: ServerResponse, thrown: unknown): void {
  const { code, message, statusCode, headers } = toRefusal(thrown)
  const body = JSON.stringify({ status: 'error', code, message })
  response.writeHead(statusCode, {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  })
  response.end(body)
}
