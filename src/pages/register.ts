import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AccountService } from '../features/registration/service.js'
import type { RegisterBody } from '../features/registration/schemas.js'
import { askingCaller } from '../features/codes/asker.js'
import { AppError } from '../errors.js'
import type { AddressKind } from '../features/identifiers/identifiers.js'
import { InvitationToken } from '../features/invitations/schemas.js'
import type { Limits } from '../features/limits/limits.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionService } from '../features/sessions/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { isAuthorization, redirectAfterForm } from './authorize.js'
import { setFlash, takeFlash } from './flash.js'
import {
  closed,
  consumes,
  faultsOf,
  filled,
  hiddenNext,
  newPassword,
  Next,
  NextQuery,
  pageReplies,
  tags,
  Text,
  withNext,
} from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import type { SafeNext } from '../http/next.js'
import { providerButtons, type ProviderButton } from './providers.js'
import type { Markup } from './views.js'

/** `invited` is the address that the invitation is for. */
type Place = {
  target: string
  invitation: string | undefined
  invited: { kind: AddressKind; address: string } | undefined
}

const RegisterQuery = Type.Object({
  ...NextQuery.properties,
  invitation: Type.Optional(InvitationToken),
})

const refusals = ['registration_closed', 'invitation_required', 'invalid_invitation']

const isRefusal = (error: unknown): error is AppError =>
  error instanceof AppError && refusals.includes(error.code)

type Options = {
  accounts: Pick<AccountService, 'findInvited' | 'register'>
  sessions: Pick<SessionService, 'login'>
  completeLogin: CompleteLogin
  limits: Limits
  cookies: SessionCookies
  send: SendPage
  providers: ProviderButton[]
  safeNext: SafeNext
  activation: boolean
  minLength: number
}

/** The page to register. */
export const registerPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, sessions, completeLogin, limits, cookies, send } = options
  const { providers, safeNext, activation, minLength } = options
  app.get(
    '/register',
    {
      schema: {
        summary: 'The registration form',
        tags,
        querystring: RegisterQuery,
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { next, invitation } = request.query
      try {
        const invited = await accounts.findInvited(invitation)
        const values = invited ? { [invited.kind]: invited.address } : {}
        const content = registerForm({ target: safeNext(next), invitation, invited }, values)
        const flash = takeFlash(cookies, request, reply)
        return await send(reply, 200, { title: 'Register', flash, content })
      } catch (error) {
        return refuse(error, reply)
      }
    },
  )

  app.post(
    '/register',
    {
      preHandler: limits.perNetwork('register'),
      schema: {
        summary: 'Register with the form',
        tags,
        consumes,
        body: Type.Object(
          {
            name: Text,
            username: Text,
            email: Text,
            mobile: Text,
            password: Text,
            next: Next,
            invitation: Type.Optional(InvitationToken),
          },
          closed,
        ),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { password = '', next, invitation, ...values } = request.body
      const target = safeNext(next)
      const body = { ...filled(values), password, ...(invitation !== undefined && { invitation }) }
      let isActive = !activation
      try {
        const user = await accounts.register(body, askingCaller(cookies, request, reply))
        isActive ||= user.active
      } catch (error) {
        if (isRefusal(error)) return refuse(error, reply)
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        const invited = await accounts.findInvited(invitation)
        const place = { target, invitation, invited }
        const content = registerForm(place, filled(values), faultsOf(error))
        const fault = `${error.message}.`
        return send(reply, error.statusCode, { title: 'Register', fault, content })
      }
      if (!isActive) {
        // The same reply for a new address and a known one: neither is logged in.
        setFlash(cookies, reply, 'look_for_message')
        return reply.redirect(withNext('/login', target), 303)
      }
      const isLoggedIn = await logIn(request, reply, body)
      if (isLoggedIn && isAuthorization(target)) return redirectAfterForm(reply, send, target)
      setFlash(cookies, reply, isLoggedIn ? 'registered' : 'registered_log_in')
      return reply.redirect(isLoggedIn ? target : withNext('/login', target), 303)
    },
  )

  /** Logs in with the new account. Returns false if a limit or an overload refuses it for now. */
  async function logIn(
    request: FastifyRequest,
    reply: FastifyReply,
    { email, username, mobile, password }: RegisterBody,
  ): Promise<boolean> {
    const name = email ? { email } : username ? { username } : { mobile: mobile ?? '' }
    try {
      const login = await sessions.login(
        { ...name, password },
        cookies.loginCaller(request, { isPage: true }),
      )
      completeLogin(request, reply, login, { isRefunded: false })
      return true
    } catch (error) {
      if (error instanceof AppError) return false
      throw error
    }
  }

  /** Shows why the registration is refused. Rethrows any other error. */
  function refuse(error: unknown, reply: FastifyReply) {
    if (!isRefusal(error)) throw error
    const fault = `${error.message}.`
    return send(reply, error.statusCode, { title: 'Register', fault, content: [] })
  }

  function registerForm(
    { target, invitation, invited }: Place,
    values: Record<string, string> = {},
    faults: Record<string, string> = {},
  ): Markup[] {
    const isByMobile = invited?.kind === 'mobile'
    const mobile = { name: 'mobile', label: 'Mobile number', type: 'tel', autocomplete: 'tel' }
    const form = renderForm({
      button: 'Register',
      takesFocus: true,
      hidden: { ...hiddenNext(target), ...(invitation !== undefined && { invitation }) },
      values,
      faults,
      fields: [
        { name: 'name', label: 'Name', autocomplete: 'name' },
        { name: 'username', label: 'Username', autocomplete: 'username' },
        {
          name: 'email',
          label: 'E-mail address',
          type: 'email',
          autocomplete: 'email',
          required: !isByMobile,
        },
        ...(isByMobile ? [{ ...mobile, required: true }] : []),
        newPassword('password', 'Password', minLength),
      ],
    })
    return [form, ...providerButtons(providers, target, undefined, invitation)]
  }
}
