import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { AccountService } from '../features/registration/service.js'
import { askingCaller } from '../features/codes/asker.js'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { setFlash, takeFlash } from './flash.js'
import {
  closed,
  consumes,
  faultsOf,
  filled,
  newPassword,
  NextQuery,
  pageReplies,
  readLoginName,
  tags,
  Text,
  withNext,
} from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import { providerButtons, type ProviderButton } from './providers.js'

type Options = {
  accounts: AccountService
  limits: Limits
  cookies: SessionCookies
  send: SendPage
  providers: ProviderButton[]
  activation: boolean
  minLength: number
}

/** A new account, and the way back into an old one. */
export const accountPages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { accounts, limits, cookies, send, providers, activation, minLength },
) => {
  app.get(
    '/register',
    {
      schema: {
        summary: 'The form for a new account',
        tags,
        querystring: NextQuery,
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, {
        title: 'Register',
        flash,
        content: registerForm(request.query.next),
      })
    },
  )

  app.post(
    '/register',
    {
      preHandler: limits.perNetwork('register'),
      schema: {
        summary: 'The form for a new account, filled in',
        tags,
        consumes,
        body: Type.Object(
          { name: Text, username: Text, email: Text, mobile: Text, password: Text, next: Text },
          closed,
        ),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { password = '', next, ...values } = request.body
      try {
        const body = { ...filled(values), password }
        await accounts.register(body, askingCaller(cookies, request, reply))
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        const content = registerForm(next, filled(values), faultsOf(error))
        const fault = `${error.message}.`
        return send(reply, error.statusCode, { title: 'Register', fault, content })
      }
      setFlash(cookies, reply, activation ? 'look_for_message' : 'registered')
      return reply.redirect(withNext('/login', next), 303)
    },
  )

  app.get(
    '/forgot',
    { schema: { summary: 'The form to ask for a new password', tags, response: pageReplies } },
    async (_request, reply) =>
      send(reply, 200, { title: 'Forgot your password?', content: forgotForm() }),
  )

  app.post(
    '/forgot',
    {
      preHandler: limits.perNetwork('forgot'),
      schema: {
        summary: 'The form to ask for a new password, filled in',
        tags,
        consumes,
        body: Type.Object({ address: Text }, closed),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const title = 'Forgot your password?'
      const { address = '' } = request.body
      const name = readLoginName(address)
      try {
        const caller = askingCaller(cookies, request, reply)
        await accounts.forgot('username' in name ? { email: address || ' ' } : name, caller)
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        const faults = { address: 'It must be an e-mail address or a mobile number.' }
        return send(reply, error.statusCode, { title, content: forgotForm(address, faults) })
      }
      const flash = 'If there is an account, a message is on its way.'
      return send(reply, 200, { title, flash, content: '' })
    },
  )

  function registerForm(next: string | undefined, values = {}, faults = {}): string {
    const form = renderForm({
      button: 'Register',
      takesFocus: true,
      hidden: next === undefined ? {} : { next },
      values,
      faults,
      fields: [
        { name: 'name', label: 'Name', autocomplete: 'name' },
        { name: 'username', label: 'Username', autocomplete: 'nickname' },
        {
          name: 'email',
          label: 'E-mail address',
          type: 'email',
          autocomplete: 'username',
          required: true,
        },
        newPassword('password', 'Password', minLength),
      ],
    })
    return form + providerButtons(providers, next)
  }
}

function forgotForm(address = '', faults: Record<string, string> = {}): string {
  const label = 'E-mail address or mobile number'
  const field = { name: 'address', label, autocomplete: 'username', required: true }
  const button = 'Send me a message'
  return renderForm({ button, fields: [field], takesFocus: true, values: { address }, faults })
}
