import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { varyByAccept, wantsText } from '../../http/accept.js'
import { callerOf, type Caller } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import { readBearer } from '../../http/bearer.js'
import type { CompleteLogin } from './complete-login.js'
import type { Login } from './logins.js'
import type { SessionCookies } from './session-cookies.js'
import { EnrolmentReply } from '../factors/schemas.js'
import { trustTtl, type SecondFactor } from './second-factor.js'
import { ok, replies } from '../../http/replies.js'
import {
  ChallengeBody,
  LoginBody,
  LoginReply,
  RefreshBody,
  RefreshReply,
  VerifyBody,
  VerifyReply,
} from './schemas.js'
import type { TokenPair } from '../tokens/service.js'
import type { SessionService } from './service.js'

type Options = {
  sessions: SessionService
  cookies: SessionCookies
  completeLogin: CompleteLogin
  secondFactor: SecondFactor
  /** Exchanges a token of the old app of imported users. Undefined if it is none. */
  oldApp: { byToken: (token: string, caller: Caller) => Promise<Pick<Login, 'tokens'> | undefined> }
}

const tags = ['sessions']

/** Described in words: as a reply of its own, it would be in the type of every generated client. */
const bareToken = 'A client that prefers `text/plain` gets the access token alone.'

/** The public routes, which need no access token. */
export const loginRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { sessions, cookies, completeLogin, secondFactor, oldApp },
) => {
  app.post(
    '/api/login',
    {
      schema: {
        summary: 'Log in with one identifier and the password',
        description: bareToken,
        tags,
        body: LoginBody,
        errors: [
          'invalid_credentials',
          'activation_required',
          'second_factor_required',
          'rate_limited',
          'overloaded',
        ],
        response: replies({ 200: LoginReply }),
      },
    },
    async (request, reply) => {
      const login = await sessions.login(request.body, cookies.loginCaller(request))
      // A script would take a challenge in plain text for a token.
      if ('pending' in login && wantsText(request)) {
        const refused = varyByAccept(reply).code(403).header('cache-control', 'no-store')
        return refused.type('text/plain; charset=utf-8').send('')
      }
      const body = completeLogin(request, reply, login)
      return answer(request, reply, ok({ message: 'Login successful!', ...body }))
    },
  )

  app.post(
    '/api/login/verify',
    {
      schema: {
        summary: 'Complete a login by a second factor',
        description: bareToken,
        tags,
        body: VerifyBody,
        errors: ['invalid_state', 'invalid_code', 'rate_limited'],
        response: replies({ 200: VerifyReply }),
      },
    },
    async (request, reply) => {
      const caller = cookies.loginCaller(request)
      const { login, recovery_codes, trusted } = await secondFactor.verify(request.body, caller)
      const body = completeLogin(request, reply, login)
      if (trusted !== undefined) cookies.write(reply, 'trusted', trusted, trustTtl)
      const codes = recovery_codes ? { recovery_codes } : {}
      return answer(request, reply, ok({ message: 'Login successful!', ...body, ...codes }))
    },
  )

  app.post(
    '/api/login/enrol',
    {
      schema: {
        summary: 'Begin to add the second factor that a login requires',
        tags,
        body: ChallengeBody,
        errors: ['invalid_state', 'rate_limited'],
        response: replies({ 200: EnrolmentReply }),
      },
    },
    async (request) => {
      const caller = cookies.loginCaller(request)
      const enrolment = await secondFactor.enrol(request.body.challenge, caller)
      return ok({ message: 'Confirm the app by a code at /api/login/verify', ...enrolment })
    },
  )

  app.post(
    '/api/refresh',
    {
      schema: {
        summary: 'Exchange a refresh token (body, Bearer or cookie) for the next pair',
        description: bareToken,
        tags,
        body: RefreshBody,
        errors: ['invalid_token', 'cross_site_request', 'rate_limited'],
        response: replies({ 200: RefreshReply }),
      },
    },
    async (request, reply) => {
      const token = request.body?.refresh_token ?? readBearer(request) ?? cookieToken(request)
      const old = await oldApp.byToken(token, callerOf(request))
      const tokens = old?.tokens ?? (await sessions.refresh(token, callerOf(request)))
      cookies.set(request, reply, tokens)
      return answer(request, reply, ok({ message: 'Session refreshed', ...tokens }))
    },
  )

  /** @throws AppError `invalid_token` without a cookie, `cross_site_request` */
  function cookieToken(request: FastifyRequest): string {
    const token = cookies.requireToken(request, 'refresh')
    if (cookies.isForeign(request)) throw new AppError('cross_site_request')
    return token
  }
}

/** The whole body, or the access token alone for a client that prefers plain text. */
function answer<Body extends TokenPair>(request: FastifyRequest, reply: FastifyReply, body: Body) {
  varyByAccept(reply)
  if (!wantsText(request)) return body
  return reply.type('text/plain; charset=utf-8').send(body.access_token)
}
