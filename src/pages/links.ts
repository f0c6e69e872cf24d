import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { AccountService } from '../features/registration/service.js'
import { callerOf, type Caller } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { Limits } from '../features/limits/limits.js'
import { replies } from '../http/replies.js'
import type { UserService } from '../features/users/service.js'
import { renderForm, type SendPage } from './layout.js'
import { faultsOf, Html, newPassword } from './forms.js'

type Options = {
  accounts: AccountService
  users: UserService
  cookies: SessionCookies
  limits: Limits
  send: SendPage
  minLength: number
}

type LinkPage = {
  path: string
  title: string
  text: string
  button: string
  done: string
  asksPassword?: boolean
  /** The name under which a password manager stores the password. */
  findUsername?: (token: string) => Promise<string | undefined>
  act: (
    form: { token: string; new_password: string },
    caller: Caller,
  ) => Promise<{ device?: string }>
}

const LinkQuery = Type.Object({ token: Type.Optional(Type.String({ maxLength: 200 })) })
const LinkForm = Type.Object(
  {
    token: Type.String({ maxLength: 200 }),
    new_password: Type.Optional(Type.String({ maxLength: 1_024 })),
    username: Type.Optional(Type.String({ maxLength: 1_024 })),
  },
  { additionalProperties: false },
)

/** The pages behind the links in our messages. The page shows a button, and only the button uses the link. */
export const linkPages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { accounts, users, cookies, limits, send, minLength },
) => {
  const links: LinkPage[] = [
    {
      path: '/activate',
      title: 'Activate your account',
      text: 'Press the button to finish your registration.',
      button: 'Activate',
      done: 'Your account is active. You can log in now.',
      act: ({ token }, caller) => accounts.activate({ token }, caller).then(() => ({})),
    },
    {
      path: '/reset',
      title: 'Choose a new password',
      text: 'You will be logged out everywhere.',
      button: 'Set the password',
      done: 'Your password was changed. You can log in with it now.',
      asksPassword: true,
      findUsername: (token) => accounts.findResetAddress(token),
      act: (form, caller) => accounts.reset(form, caller),
    },
    {
      path: '/confirm',
      title: 'Confirm your address',
      text: 'Press the button to use this address from now on.',
      button: 'Confirm',
      done: 'Your address was changed.',
      act: ({ token }, caller) => users.confirmAddress({ token }, caller).then(() => ({})),
    },
  ]

  for (const { path, act, done, title, text, button, ...link } of links) {
    const { asksPassword = false, findUsername } = link
    const fields = asksPassword ? [newPassword('new_password', 'New password', minLength)] : []
    const form = async (token: string, faults: Record<string, string> = {}) => {
      const username = await findUsername?.(token)
      const hidden = { token }
      return renderForm({ text, button, fields, username, takesFocus: true, hidden, faults })
    }

    app.get(
      path,
      {
        schema: {
          summary: `The page "${title}"; changes nothing`,
          tags: ['pages'],
          querystring: LinkQuery,
          response: replies({ 200: Html }),
        },
      },
      async ({ query }, reply) =>
        send(reply, 200, { title, content: [await form(query.token ?? '')] }),
    )

    app.post(
      path,
      {
        preHandler: limits.perNetwork('codes'),
        schema: {
          summary: `The form of the page "${title}"`,
          tags: ['pages'],
          consumes: ['application/x-www-form-urlencoded'],
          body: LinkForm,
          response: replies({ 200: Html }),
        },
      },
      async (request, reply) => {
        const { token, new_password = '' } = request.body
        try {
          const { device } = await act({ token, new_password }, callerOf(request))
          if (device !== undefined) cookies.setDevice(reply, device)
        } catch (error) {
          if (!(error instanceof AppError) || error.statusCode >= 500) throw error
          const faults = faultsOf(error)
          const content = [await form(token, faults)]
          return send(reply, error.statusCode, { title, fault: `${error.message}.`, content })
        }
        return send(reply, 200, { title, flash: done, content: [] })
      },
    )
  }
}
