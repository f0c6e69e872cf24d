import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import type { DeviceLogins, PendingDevice } from '../features/device-logins/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { actorOf, type Actor } from '../http/caller.js'
import { toMinute } from '../http/times.js'
import { nameOfBrowser } from '../http/browser-name.js'
import { setFlash, takeFlash, type Flash } from './flash.js'
import { closed, consumes, pageReplies, tags, Text } from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import { compileView, type Markup } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  deviceLogins: DeviceLogins
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
}

type ShownDevice = {
  path: string
  user_code: string
  confirmation: string
  texts: [label: string, text: string][]
}

const request = compileView<ShownDevice>('device')

const path = '/device'
const title = 'Log a device in'
const fault = 'The code is wrong, used or expired.'
const late =
  'This was answered already, has expired, or was asked of another login. Start again on the device.'

/** A code is shorter. The rest of the length is for spaces and punctuation. */
const Code = Type.Optional(Type.String({ maxLength: 64 }))
const Answer = Type.Object({ confirmation: Text, user_code: Code }, closed)

/** Where a user types the code of a device, and approves or denies what it asks (RFC 8628 §3.3). */
export const devicePages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { deviceLogins, visitors, cookies, send } = options
  const errors = ['invalid_token', 'forbidden', 'rate_limited'] as const

  app.get(
    path,
    {
      schema: {
        summary: 'The form for the code of a device',
        tags,
        querystring: Type.Object({
          user_code: Type.Optional(Type.String({ description: 'fills the form in' })),
        }),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const code = request.query.user_code?.slice(0, 64)
      if (!(await findActor(request, reply))) return logInFirst(reply, 'login_required', code)
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, { title, flash, content: [codeForm(code)] })
    },
  )

  app.post(
    path,
    {
      schema: {
        summary: 'Show what a device asks for',
        tags,
        consumes,
        body: Type.Object({ user_code: Code }, closed),
        errors: [...errors],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { user_code: code = '' } = request.body
      const actor = await requireActor(request, reply)
      try {
        const found = await deviceLogins.find(actor, code)
        return await send(reply, 200, { title, content: [requestView(found)] })
      } catch (error) {
        return refuse(reply, error, { code, faults: { user_code: fault } })
      }
    },
  )

  for (const { name, summary, decide, flash } of [
    {
      name: 'approve',
      summary: 'Log a device in',
      decide: deviceLogins.approve,
      flash: 'The device is logged in within a few seconds. You can close this page.',
    },
    {
      name: 'deny',
      summary: 'Refuse what a device asks for',
      decide: deviceLogins.deny,
      flash: 'The device was not logged in. You can close this page.',
    },
  ]) {
    app.post(
      `${path}/${name}`,
      {
        schema: {
          summary,
          tags,
          consumes,
          body: Answer,
          errors: [...errors],
          response: pageReplies,
        },
      },
      async (request, reply) => {
        const { confirmation = '', user_code: code = '' } = request.body
        const actor = await requireActor(request, reply)
        try {
          await decide(actor, confirmation)
        } catch (error) {
          return refuse(reply, error, { code })
        }
        return send(reply, 200, { title, flash, content: [] })
      },
    )
  }

  /** The user of the browser. Only the cookie says whose browser it is, so no token of a script approves. */
  async function findActor(
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Actor | undefined> {
    if (request.headers.authorization !== undefined) return undefined
    return (await visitors.find(request, reply)) && actorOf(request)
  }

  /** @throws AppError `invalid_token` */
  async function requireActor(request: FastifyRequest, reply: FastifyReply): Promise<Actor> {
    const actor = await findActor(request, reply)
    if (!actor) throw new AppError('invalid_token')
    return actor
  }

  function logInFirst(reply: FastifyReply, flash: Flash, code: string | undefined) {
    setFlash(cookies, reply, flash)
    const next = code === undefined ? path : `${path}?user_code=${encodeURIComponent(code)}`
    const login = `/login?next=${encodeURIComponent(next)}`
    return reply.redirect(flash === 'log_in_again' ? `${login}&prompt=login` : login, 303)
  }

  function refuse(
    reply: FastifyReply,
    error: unknown,
    { code, faults }: { code: string; faults?: Record<string, string> },
  ): FastifyReply {
    if (!(error instanceof AppError) || error.statusCode >= 500) throw error
    if (error.code === 'reauthentication_required') return logInFirst(reply, 'log_in_again', code)
    if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
    if (error.headers) reply.headers(error.headers)
    const isWrong = error.code === 'invalid_code'
    const page = isWrong && faults ? {} : { fault: isWrong ? late : `${error.message}.` }
    const content = isWrong && !faults ? [codeForm('')] : [codeForm(code, isWrong ? faults : {})]
    return send(reply, error.statusCode, { title, ...page, content })
  }
}

const codeForm = (code = '', faults: Record<string, string> = {}): Markup =>
  renderForm({
    button: 'Continue',
    action: path,
    takesFocus: true,
    values: { user_code: code },
    faults,
    fields: [
      {
        name: 'user_code',
        label: 'Code',
        autocomplete: 'off',
        required: true,
        hint: 'The device shows it: eight letters, such as WDJB-MJHT.',
      },
    ],
  })

const requestView = ({ client_name, user_code, confirmation, ...device }: PendingDevice): Markup =>
  request({
    ...{ path, user_code, confirmation },
    texts: [
      ['App', client_name ?? 'gatehouse login, the command line of this service'],
      ['It asks for', 'your account, with all your roles, until you log out'],
      ['Device', nameOfBrowser(device.user_agent)],
      ['Network address', device.address],
      ['Since', toMinute(device.created_at)],
    ],
  })
