import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ownClientId } from '@gatehouse/verify/protocol'
import { Type, type Static } from '@sinclair/typebox'
import { createHash, randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { newSecret } from '../crypto/secrets.js'
import { AppError } from '../errors.js'
import type { AuthorizationService } from '../features/authorization/service.js'
import { secondFactorAcr, type AuthorizationError } from '../features/authorization/request.js'
import type { SessionService } from '../features/sessions/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { callerOf } from '../http/caller.js'
import { createSafeNext } from '../http/next.js'
import { pageReplies, tags } from '../pages/forms.js'
import { createPageErrors, type SendPage } from '../pages/layout.js'
import { isIntended } from '../pages/logout.js'
import { compileView } from '../pages/views.js'
import type { AppHosts } from './hosts.js'
import type { HostTokens } from './host-tokens.js'
import { loginLifetime, type LoginStates } from './login-states.js'

type Options = {
  hosts: AppHosts
  tokens: HostTokens
  states: LoginStates
  authorization: AuthorizationService
  sessions: Pick<SessionService, 'endOne'>
  cookies: SessionCookies
  send: SendPage
  publicUrl: string
  issuer: string
}

const Parameter = Type.Optional(Type.String({ maxLength: 4_096 }))
const LoginQuery = Type.Object({
  next: Type.Optional(Type.String({ description: 'a path of the host' })),
  acr_values: Type.Optional(
    Type.Literal(secondFactorAcr, { description: '`mfa` asks for a login with a second factor' }),
  ),
})
const CallbackQuery = Type.Object({
  code: Parameter,
  state: Parameter,
  iss: Parameter,
  error: Parameter,
  error_description: Parameter,
})

/** What the authorization endpoint answers for a user who has no second factor (RFC 9470 §5). */
const unmet: AuthorizationError = 'unmet_authentication_requirements'

const missingFactor = compileView<{ origin: string }>('missing-factor')

/** The whole authorization request has to fit into the `next` of the login page (see http/next.ts). */
const maxNext = 800

/**
 * The way of a browser to the cookie of an app's host. A proxy passes these paths of the host on to Gatehouse. The browser
 * goes to the login page on Gatehouse's own host, and comes back with a code, by the same flow as to any other app.
 */
export const hostLoginRoutes: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { hosts, tokens, states, authorization, sessions, cookies } = options
  const { send, publicUrl, issuer } = options

  app.setErrorHandler(createPageErrors(send, { isElsewhere: true }))
  // The body of a logout is ignored.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))

  app.get(
    '/forward-auth/login',
    {
      exposeHeadRoute: false,
      schema: {
        summary: "Start a login on the host of an app: to Gatehouse's own host",
        tags,
        querystring: LoginQuery,
        errors: ['not_found'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const host = requireHost(request)
      const browser = readMark(request) ?? randomBytes(16).toString('base64url')
      // The same mark again: several tabs may log in at the same time.
      cookies.replace(reply, 'gatehouse_login', browser, loginLifetime)
      return reply.redirect(authorizationUrl(host, browser, request.query), 303)
    },
  )

  app.get(
    '/forward-auth/callback',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'Finish a login on the host of an app: set its cookie',
        tags,
        querystring: CallbackQuery,
        errors: [
          'not_found',
          'invalid_state',
          'invalid_grant',
          'second_factor_missing',
          'rate_limited',
        ],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const host = requireHost(request)
      const { code, state = '', iss, error } = request.query
      const login = states.open(host, state)
      const browser = readMark(request)
      // RFC 9207 §2.4. Without a mark the browser takes no cookies, or another one has started this login.
      if (!login || browser === undefined || iss !== issuer) throw new AppError('invalid_state')
      const { next, verifier: code_verifier } = login
      // The code counts in the browser that asked for it (RFC 9700 §4.7.1). Another one starts a login of its own.
      const isOurs = login.browser === browser && !login.isExpired
      // A page that is loaded again has a code that is spent.
      const isMet = !login.needsFactor || tokens.read(host, request)?.amr?.includes('mfa') === true
      if (!isOurs || (isMet && (await tokens.isAlive(host, request))))
        return reply.redirect(next, 303)
      if (error === unmet) return sendMissingFactor(reply)
      if (code === undefined) throw new AppError('invalid_state')
      const redirect_uri = hosts.redirectUriOf(host)
      const given = { code, redirect_uri, code_verifier }
      const issued = await authorization.exchangeForHost(given, callerOf(request))
      cookies.replace(reply, 'gatehouse', issued.token, issued.expires_in)
      return reply.redirect(next, 303)
    },
  )

  for (const method of ['GET', 'POST'] as const) {
    app.route({
      method,
      url: '/forward-auth/logout',
      exposeHeadRoute: false,
      schema: {
        summary: 'Log out on the host of an app, and on every other one',
        tags,
        errors: ['not_found', 'cross_site_request'],
        response: pageReplies,
      },
      handler: async (request, reply) => {
        const host = requireHost(request)
        const isForeign = cookies.isForeign(request, { onlyOwn: true })
        if (method === 'POST' && isForeign) throw new AppError('cross_site_request')
        // The page of Gatehouse's own host asks first.
        if (isForeign || (method === 'GET' && !isIntended(request)))
          return reply.redirect(`${publicUrl}/logout`, 303)
        await endLogin(host, request)
        cookies.remove(reply, 'gatehouse')
        return reply.redirect(`${publicUrl}/`, 303)
      },
    })
  }

  /** @throws AppError `not_found` */
  function requireHost(request: FastifyRequest): string {
    const host = hosts.find(request)
    if (host === undefined) throw new AppError('not_found')
    return host
  }

  function readMark(request: FastifyRequest): string | undefined {
    const value = cookies.read(request, 'gatehouse_login') ?? ''
    return /^[A-Za-z0-9_-]{22}$/.test(value) ? value : undefined
  }

  function sendMissingFactor(reply: FastifyReply): FastifyReply {
    const { statusCode, message } = new AppError('second_factor_missing')
    const content = [missingFactor({ origin: publicUrl })]
    return send(reply, statusCode, {
      title: 'Sorry',
      fault: `${message}.`,
      content,
      isElsewhere: true,
    })
  }

  function authorizationUrl(
    host: string,
    browser: string,
    { next: wanted, acr_values }: Static<typeof LoginQuery>,
  ): string {
    const verifier = newSecret()
    const safe = createSafeNext(hosts.originOf(host), [])(wanted)
    const next = Buffer.byteLength(safe) > maxNext ? '/' : safe
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: ownClientId,
      redirect_uri: hosts.redirectUriOf(host),
      state: states.make(host, { verifier, browser, next, needsFactor: acr_values !== undefined }),
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...(acr_values !== undefined && { acr_values }),
    })
    return `${publicUrl}/oauth/authorize?${query.toString()}`
  }

  /** A session that has ended already is left alone. */
  async function endLogin(host: string, request: FastifyRequest): Promise<void> {
    const claims = tokens.read(host, request)
    if (!claims) return
    const { sub: user_id, sid: session_id } = claims
    try {
      await sessions.endOne({ ...callerOf(request), user_id, session_id }, session_id)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'not_found') throw error
    }
  }
}
