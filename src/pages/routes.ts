import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import type { AccountService } from '../accounts/service.js'
import { callerOf, type Caller } from '../audit/caller.js'
import { AppError, invalidField } from '../errors.js'
import type { Limits } from '../limits/limits.js'
import { replies } from '../plugins/openapi.js'
import type { UserService } from '../users/service.js'
import { contentSecurityPolicy, createPages } from './layout.js'

type Options = {
  accounts: AccountService
  users: UserService
  limits: Limits
  appName: string
  minLength: number
}

type LinkPage = {
  path: string
  title: string
  text: string
  button: string
  done: string
  asksPassword?: boolean
  act: (form: { token: string; new_password: string }, caller: Caller) => Promise<unknown>
}

const LinkQuery = Type.Object({ token: Type.Optional(Type.String({ maxLength: 200 })) })
const LinkForm = Type.Object(
  {
    token: Type.String({ maxLength: 200 }),
    new_password: Type.Optional(Type.String({ maxLength: 1_024 })),
  },
  { additionalProperties: false },
)
const Html = Type.String({ description: 'an HTML page' })

/** The pages behind the links of our messages. They show a button; only pressing it uses the link up. */
export const linkPages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { accounts, users, limits, appName, minLength },
) => {
  await app.register(formbody, { bodyLimit: 16_384 })
  const pages = createPages(appName)

  const links: LinkPage[] = [
    {
      path: '/activate',
      title: 'Activate your account',
      text: 'Press the button to finish your registration.',
      button: 'Activate',
      done: 'Your account is active. You can log in now.',
      act: ({ token }, caller) => accounts.activate({ token }, caller),
    },
    {
      path: '/reset',
      title: 'Choose a new password',
      text: `At least ${String(minLength)} characters. You will be logged out everywhere.`,
      button: 'Set the password',
      done: 'Your password was changed. You can log in with it now.',
      asksPassword: true,
      act: (form, caller) => accounts.reset(form, caller),
    },
    {
      path: '/confirm',
      title: 'Confirm your address',
      text: 'Press the button to use this address from now on.',
      button: 'Confirm',
      done: 'Your address was changed.',
      act: ({ token }, caller) => users.confirmAddress({ token }, caller),
    },
  ]

  // A form has no text that JSON would not have.
  app.addHook('preValidation', async ({ body }) => {
    for (const [field, value] of Object.entries(body ?? {})) {
      const isText = typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
      if (!isText) throw invalidField(field.slice(0, 100), 'is not valid text')
    }
  })

  for (const { path, act, done, asksPassword = false, ...words } of links) {
    const form = (token: string, fault?: string) =>
      pages.confirmation({ ...words, asksPassword, minLength, token, fault })

    app.get(
      path,
      {
        exposeHeadRoute: true,
        schema: {
          summary: `A page: ${words.title}; changes nothing`,
          tags: ['pages'],
          querystring: LinkQuery,
          response: replies({ 200: Html }),
        },
      },
      async ({ query }, reply) => sendPage(reply, 200, form(query.token ?? '')),
    )

    app.post(
      path,
      {
        preHandler: limits.perNetwork('codes'),
        schema: {
          summary: `The form of that page`,
          tags: ['pages'],
          body: LinkForm,
          response: replies({ 200: Html }),
        },
      },
      async (request, reply) => {
        const { token, new_password = '' } = request.body
        try {
          await act({ token, new_password }, callerOf(request))
          return await sendPage(reply, 200, pages.message(words.title, done))
        } catch (error) {
          if (!(error instanceof AppError) || error.statusCode >= 500) throw error
          const [field] = error.fields ?? []
          const fault = field ? `${error.message}: it ${field.message}.` : `${error.message}.`
          return await sendPage(reply, error.statusCode, form(token, fault))
        }
      },
    )
  }
}

function sendPage(reply: FastifyReply, status: number, html: string) {
  return reply
    .code(status)
    .headers({ 'content-security-policy': contentSecurityPolicy })
    .type('text/html; charset=utf-8')
    .send(html)
}
