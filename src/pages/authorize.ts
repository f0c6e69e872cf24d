import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorizationService } from '../features/authorization/service.js'
import { asksForFactor } from '../features/authorization/request.js'
import { AppError } from '../errors.js'
import { actorOf, type Caller } from '../http/caller.js'
import type { SafeNext } from '../http/next.js'
import { pageReplies, tags, withNext } from './forms.js'
import type { SendPage } from './layout.js'
import { compileView } from './views.js'
import type { Visitors } from './visitor.js'

type Options = { authorization: AuthorizationService; visitors: Visitors; safeNext: SafeNext }

const redirect = compileView<{ url: string; label: string }>('provider-redirect')

const Parameter = Type.Optional(Type.String())

const AuthorizeQuery = Type.Object({
  response_type: Type.String({ description: '`code`' }),
  client_id: Type.String({ description: 'the name of a client with this redirect URI' }),
  redirect_uri: Type.String({ description: 'exactly as it is registered' }),
  code_challenge: Type.String({ description: 'SHA-256 of the code verifier, in base64url' }),
  code_challenge_method: Type.String({ description: '`S256`' }),
  state: Type.Optional(Type.String({ description: 'is part of the redirect back' })),
  prompt: Type.Optional(
    Type.String({ description: '`none` shows no page; `login` asks for a login again' }),
  ),
  max_age: Type.Optional(
    Type.String({ description: 'the seconds after which a login is asked for again' }),
  ),
  acr_values: Type.Optional(
    Type.String({ description: '`mfa` asks for a login with a second factor (RFC 9470)' }),
  ),
  scope: Type.Optional(Type.String({ description: 'not supported; leave it out' })),
  response_mode: Type.Optional(Type.String({ description: '`query`' })),
  login_mark: Parameter,
})

/** The authorization endpoint: the browser of a user comes from an app, and returns with a code. */
export const authorizePage: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { authorization, visitors, safeNext },
) => {
  app.get(
    '/oauth/authorize',
    {
      exposeHeadRoute: false,
      // The service names each fault to the client, or to the user.
      attachValidation: true,
      schema: {
        summary: 'Redirect to an app with a code for its own session (RFC 6749 §4.1)',
        tags,
        querystring: AuthorizeQuery,
        errors: ['cross_site_request'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      if (!isNavigation(request)) throw new AppError('cross_site_request')
      const query = new URLSearchParams(request.url.split('?').slice(1).join('?'))
      const findActor = async () => {
        // Only the cookie says whose browser it is.
        if (request.headers.authorization !== undefined) return undefined
        return (await visitors.find(request, reply)) && actorOf(request)
      }
      const isUsable = (path: string) => safeNext(path) === path
      const answer = await authorization.authorize(query, findActor, isUsable)
      if ('redirect' in answer) return reply.redirect(answer.redirect, 303)
      const login = withNext('/login', answer.next)
      return reply.redirect(answer.isAgain ? `${login}&prompt=login` : login, 303)
    },
  )
}

/**
 * Whether the browser itself shows the answer, in a tab. A script of another origin, also one of CORS_ORIGINS,
 * must not read a code, and a frame must not get one (Fetch Metadata §2).
 */
function isNavigation({ headers }: FastifyRequest): boolean {
  if (headers.origin !== undefined) return false
  if (headers['sec-fetch-site'] === undefined) return true // not a browser
  const { 'sec-fetch-mode': mode = 'navigate', 'sec-fetch-dest': dest = 'document' } = headers
  return mode === 'navigate' && dest === 'document'
}

/**
 * Redirects after a form. For the authorization endpoint it sends a page that redirects: the policy's `form-action`
 * would block the later redirects to the app and inside it.
 */
export function redirectAfterForm(reply: FastifyReply, send: SendPage, target: string) {
  if (!isAuthorization(target)) return reply.redirect(target, 303)
  const content = [redirect({ url: target, label: 'the app' })]
  return send(reply, 200, { title: 'You are logged in', refresh: target, content })
}

/** The pages that need a recent login with every factor. */
const ownFactorPages = /^\/(device|second-factor|account\/passkeys)(\?|$)/

/** Where an app or a page asks for the second factor itself, a trusted device stands for none. */
export function distrustDevice({ marks }: Caller, target: string): void {
  const asks = isAuthorization(target) ? asksForFactor(target) : ownFactorPages.test(target)
  if (asks) delete marks?.trusted
}

/** Whether the target after a login is the authorization endpoint. */
export const isAuthorization = (target: string) => target.startsWith('/oauth/authorize?')
