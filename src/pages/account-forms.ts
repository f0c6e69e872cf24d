import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError, type ErrorCode } from '../errors.js'
import { askingMarks } from '../features/codes/asker.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { User } from '../features/users/schemas.js'
import type { UserService } from '../features/users/service.js'
import { actorOf } from '../http/caller.js'
import { setFlash, type Flash } from './flash.js'
import { closed, consumes, faultsOf, newPassword, pageReplies, tags, Text } from './forms.js'
import { accountLink, renderForm, type Field, type Form, type SendPage } from './layout.js'
import type { Markup } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  users: UserService
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
  minLength: number
}

type Typed = Record<string, string>
type Refused = Pick<Form, 'values' | 'faults'>

/** A page below /account with one form. */
type FormPage = {
  path: string
  title: string
  body: string[]
  errors: ErrorCode[]
  form: (user: User, refused?: Refused) => Markup
  /** Does what the form asks, and returns where to go. */
  act: (request: FastifyRequest, reply: FastifyReply, typed: Typed) => Promise<[Flash, string]>
}

const common = ['invalid_token', 'forbidden', 'not_found', 'rate_limited', 'overloaded'] as const

/** The forms that change one's profile and password, or delete the account: each does what a route of the API does. */
export const accountForms: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { users, visitors, cookies, send, minLength } = options

  for (const { path, title, body, errors, form, act } of formPages()) {
    app.get(
      path,
      { schema: { summary: `The form "${title}"`, tags, response: pageReplies } },
      async (request, reply) => {
        const user = await visitors.find(request, reply)
        if (!user) {
          setFlash(cookies, reply, 'login_required')
          return reply.redirect(`/login?next=${encodeURIComponent(path)}`, 303)
        }
        return send(reply, 200, { title, content: [form(user), accountLink] })
      },
    )

    app.post(
      path,
      {
        schema: {
          summary: `Send the form "${title}"`,
          tags,
          consumes,
          body: Type.Object(Object.fromEntries(body.map((name) => [name, Text])), closed),
          errors: [...common, ...errors],
          response: pageReplies,
        },
      },
      async (request, reply) => {
        const user = await visitors.find(request, reply)
        if (!user) throw new AppError('invalid_token')
        const typed = request.body as Typed
        try {
          const [flash, next] = await act(request, reply, typed)
          setFlash(cookies, reply, flash)
          return await reply.redirect(next, 303)
        } catch (error) {
          const isOwn = error instanceof AppError && error.statusCode < 500
          if (!isOwn || error.code === 'invalid_token') throw error
          if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
          const fault = error.fields ? undefined : `${error.message}.`
          const refused = { values: withoutSecrets(typed), faults: faultsOf(error) }
          const content = [form(user, refused), accountLink]
          return send(reply, error.statusCode, { title, fault, content })
        }
      },
    )
  }

  function formPages(): FormPage[] {
    return [
      {
        path: '/account/profile',
        title: 'Change the profile',
        body: ['name', 'username', 'email', 'mobile', 'password'],
        errors: [
          'invalid_credentials',
          'reauthentication_required',
          'domain_not_allowed',
          'username_taken',
        ],
        form: profileForm,
        async act(request, reply, { password, ...profile }) {
          if (Object.keys(profile).length === 0) return ['profile_changed', '/account']
          const caller = { ...actorOf(request), marks: askingMarks(cookies, request, reply) }
          const proof = password === undefined ? {} : { password }
          const { pending } = await users.update(caller, { ...profile, ...proof })
          return [pending.length > 0 ? 'address_pending' : 'profile_changed', '/account']
        },
      },
      {
        path: '/account/password',
        title: 'Change the password',
        // `username` is for password managers.
        body: ['username', 'old_password', 'new_password'],
        errors: ['invalid_credentials', 'reauthentication_required', 'weak_password'],
        form: (user, refused) => passwordForm(user, minLength, refused),
        async act(request, reply, { old_password = '', new_password = '' }) {
          const { device } = await users.changePassword(actorOf(request), {
            old_password,
            new_password,
          })
          cookies.setDevice(reply, device)
          return ['password_changed', '/account']
        },
      },
      {
        path: '/account/delete',
        title: 'Delete the account',
        body: ['username', 'password'],
        errors: ['invalid_credentials', 'reauthentication_required', 'last_admin'],
        form: deleteForm,
        async act(request, reply, { password }) {
          await users.delete(actorOf(request), password)
          cookies.clear(request, reply)
          return ['account_deleted', '/']
        },
      },
    ]
  }
}

/** A page never shows a password again. */
const withoutSecrets = (typed: Typed): Typed =>
  Object.fromEntries(Object.entries(typed).filter(([name]) => !name.includes('password')))

const presentPassword = (name: string, more: Partial<Field> = {}): Field => ({
  name,
  label: 'Present password',
  type: 'password',
  autocomplete: 'current-password',
  ...more,
})

function profileForm({ name, username, email, mobile }: User, refused: Refused = {}): Markup {
  const present = Object.entries({ name, username, email, mobile }).flatMap(([field, value]) =>
    value === null ? [] : [[field, value]],
  )
  const hint = 'Only for another address, if your login is older than five minutes.'
  return renderForm({
    button: 'Save',
    action: '/account/profile',
    fields: [
      { name: 'name', label: 'Name', autocomplete: 'name' },
      { name: 'username', label: 'Username', autocomplete: 'username' },
      {
        name: 'email',
        label: 'E-mail address',
        type: 'email',
        autocomplete: 'email',
        hint: 'Another address is used once you have confirmed it by its message.',
      },
      { name: 'mobile', label: 'Mobile number', type: 'tel', autocomplete: 'tel' },
      presentPassword('password', { hint }),
    ],
    ...refused,
    values: refused.values ?? (Object.fromEntries(present) as Typed),
  })
}

function passwordForm(user: User, minLength: number, refused: Refused = {}): Markup {
  return renderForm({
    text: 'Every other session ends. If you have no password yet, choose one by "Forgot password".',
    button: 'Change the password',
    action: '/account/password',
    takesFocus: true,
    username: user.username ?? user.email ?? user.mobile ?? undefined,
    fields: [
      presentPassword('old_password', { required: true }),
      newPassword('new_password', 'New password', minLength),
    ],
    ...refused,
  })
}

function deleteForm(user: User, refused: Refused = {}): Markup {
  return renderForm({
    text: 'The account and all its data are deleted at once. Nobody can bring them back.',
    button: 'Delete my account for ever',
    action: '/account/delete',
    username: user.username ?? user.email ?? user.mobile ?? undefined,
    fields: [
      presentPassword('password', {
        hint: 'If you have no password, leave it empty, and log in again less than five minutes before.',
      }),
    ],
    ...refused,
  })
}
