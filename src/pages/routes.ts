import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import accepts from 'accepts'
import type { FastifyRequest } from 'fastify'
import type { AccountService } from '../accounts/service.js'
import { callerOf } from '../audit/caller.js'
import { AppError, invalidField } from '../errors.js'
import type { Limits } from '../limits/limits.js'
import type { SessionCookies } from '../plugins/cookies.js'
import { prepareError, sendError } from '../plugins/errors.js'
import { replies } from '../plugins/openapi.js'
import type { SessionService } from '../sessions/service.js'
import { acceptFiles, readFile } from '../uploads/file.js'
import type { UploadService } from '../uploads/service.js'
import { UserReply, type User } from '../users/schemas.js'
import type { UserService } from '../users/service.js'
import { setFlash, takeFlash } from './flash.js'
import { faultsOf, filled, Html, newPassword, readLoginName } from './forms.js'
import { createPageSender, renderForm, template } from './layout.js'
import { linkPages } from './links.js'
import { createNext } from './next.js'
import type { Visitors } from './visitor.js'

type Options = {
  accounts: AccountService
  sessions: SessionService
  uploads: UploadService
  users: UserService
  visitors: Visitors
  limits: Limits
  cookies: SessionCookies
  /** Sign in with these: path and name. */
  providers: { path: string; label: string }[]
  appName: string
  publicUrl: string
  corsOrigins: string[]
  activation: boolean
  minLength: number
}

const tags = ['pages']
const consumes = ['application/x-www-form-urlencoded']
const Text = Type.Optional(Type.String({ maxLength: 1_024 }))
const closed = { additionalProperties: false }
const NextQuery = Type.Object({ next: Type.Optional(Type.String({ maxLength: 2_048 })) })
const response = replies({ 200: Html, 303: Type.Null() })

const home = template<{
  who: string | undefined
}>(`<% if (it.who) { %><p>You are signed in as <%= it.who %>.</p>
<a class="button" href="/welcome">Your page</a>
<% } else { %><p>Log in, or make an account.</p>
<a class="button" href="/login">Log in</a>
<a class="button other" href="/register">Register</a>
<% } %>`)

const welcome = template<
  User & { picture: string | undefined }
>(`<% if (it.picture) { %><img src="<%= it.picture %>" alt="Your picture">
<% } %><dl>
<% for (const name of ['name', 'username', 'email', 'mobile']) if (it[name]) { %><dt><%= name %></dt><dd><%= it[name] %></dd>
<% } %><dt>roles</dt><dd><%= it.roles.join(', ') %></dd>
</dl>
`)

const loginExtras = template<{
  providers: Options['providers']
}>(`<% for (const { path, label } of it.providers) { %><a class="button other" href="<%= path %>"><%= label %></a>
<% } %><p><a href="/forgot">Forgot your password?</a> · <a href="/register">Register</a></p>
`)

/** The pages for people. They work without a script, and change nothing but by a posted form. */
export const pages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, sessions, uploads, users, visitors, limits, cookies, providers } = options
  const { appName, publicUrl, corsOrigins, activation, minLength } = options
  const send = createPageSender(appName, corsOrigins)
  const safeNext = createNext(publicUrl, corsOrigins)
  await app.register(formbody, { bodyLimit: 16_384 })

  app.setErrorHandler((error: AppError, request, reply) => {
    if (!wantsHtml(request)) return sendError(error, request, reply)
    // The same status, headers and log as anywhere else, in words for people.
    const { statusCode, message } = prepareError(error, request, reply)
    return send(reply, statusCode, { title: 'Sorry', fault: `${message}.`, content: '' })
  })

  // A form has no text that JSON would not have.
  app.addHook('preValidation', async ({ body }) => {
    for (const [field, value] of Object.entries(body ?? {})) {
      const isText = typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
      if (!isText) throw invalidField(field.slice(0, 100), 'is not valid text')
    }
  })

  app.addHook('preHandler', async (request) => {
    if (request.method === 'POST' && cookies.isForeign(request)) {
      throw new AppError('cross_site_request')
    }
  })

  await app.register(linkPages, { accounts, users, limits, send, minLength })

  app.get(
    '/',
    {
      schema: {
        summary: 'The home page; for who does not ask for HTML, who is logged in',
        tags,
        response: replies({ 200: Type.Union([UserReply, Html]) }),
      },
    },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (!wantsHtml(request)) {
        if (!user) throw new AppError('invalid_token')
        return { status: 'success' as const, user }
      }
      const who = user && nameOf(user)
      const title = who ? `Hello, ${who}!` : 'Hello, World!'
      const flash = takeFlash(request, reply)
      return send(reply, 200, { title, who, flash, content: home({ who }) })
    },
  )

  app.get(
    '/welcome',
    { schema: { summary: 'The page of who is signed in', tags, response } },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (!user) {
        setFlash(reply, 'login_required')
        return reply.redirect('/login?next=%2Fwelcome', 303)
      }
      const who = nameOf(user)
      const flash = takeFlash(request, reply)
      return send(reply, 200, {
        title: `Welcome, ${who}!`,
        who,
        flash,
        content: welcome({ ...user, picture: ownPath(user.picture_url) }) + pictureForm(),
      })
    },
  )

  await app.register(async (picture) => {
    await acceptFiles(picture, 5 * 1_048_576)
    picture.post(
      '/welcome/picture',
      {
        bodyLimit: 6 * 1_048_576,
        schema: {
          summary: 'The picture, from the form of that page',
          tags,
          consumes: ['multipart/form-data'],
          response,
        },
      },
      async (request, reply) => {
        const user = await visitors.find(request, reply)
        if (!user) throw new AppError('invalid_token')
        try {
          await uploads.putPicture(callerOf(request), await readFile(request))
        } catch (error) {
          if (!(error instanceof AppError) || error.statusCode >= 500) throw error
          const fault = `${error.message}.`
          const who = nameOf(user)
          const content = pictureForm()
          return send(reply, error.statusCode, { title: 'Your picture', who, fault, content })
        }
        setFlash(reply, 'picture_set')
        return reply.redirect('/welcome', 303)
      },
    )
  })

  app.get(
    '/login',
    { schema: { summary: 'The login form', tags, querystring: NextQuery, response } },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (user) return reply.redirect(safeNext(request.query.next), 303)
      const flash = takeFlash(request, reply)
      return send(reply, 200, { title: 'Log in', flash, content: loginForm(request.query.next) })
    },
  )

  app.post(
    '/login',
    {
      preHandler: limits.perNetwork('login'),
      schema: {
        summary: 'The login form, filled in',
        tags,
        consumes,
        querystring: NextQuery,
        body: Type.Object({
          username: Text,
          email: Text,
          mobile: Text,
          password: Text,
          next: Text,
        }),
        response,
      },
    },
    async (request, reply) => {
      const { username, email, mobile, password = '', next = request.query.next } = request.body
      const name = username ?? email ?? mobile ?? ''
      try {
        const who = { ...readLoginName(name), password }
        const caller = callerOf(request)
        const { device, ...login } = await sessions.login(who, caller, request.cookies.device)
        await limits.refund('login', request)
        cookies.set(request, reply, login)
        cookies.setDevice(request, reply, device)
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        // A name that is none is one that nobody has.
        const isName = error.code === 'validation_failed'
        const fault = isName ? 'Invalid credentials.' : `${error.message}.`
        if (error.headers) reply.headers(error.headers)
        if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
        const content = loginForm(next, name)
        return send(reply, isName ? 401 : error.statusCode, { title: 'Log in', fault, content })
      }
      setFlash(reply, 'logged_in')
      return reply.redirect(safeNext(next), 303)
    },
  )

  app.get(
    '/register',
    { schema: { summary: 'The form for a new account', tags, response } },
    async (request, reply) => {
      const flash = takeFlash(request, reply)
      return send(reply, 200, { title: 'Register', flash, content: registerForm() })
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
        body: Type.Object({
          name: Text,
          username: Text,
          email: Text,
          mobile: Text,
          password: Text,
        }),
        response,
      },
    },
    async (request, reply) => {
      const { password = '', ...values } = request.body
      try {
        const body = { ...filled(values), password }
        await accounts.register(body, callerOf(request))
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        const content = registerForm(filled(values), faultsOf(error))
        const fault = `${error.message}.`
        return send(reply, error.statusCode, { title: 'Register', fault, content })
      }
      setFlash(reply, activation ? 'look_for_message' : 'registered')
      return reply.redirect('/login', 303)
    },
  )

  app.get(
    '/forgot',
    { schema: { summary: 'The form to ask for a new password', tags, response } },
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
        response,
      },
    },
    async (request, reply) => {
      const title = 'Forgot your password?'
      const { address = '' } = request.body
      const name = readLoginName(address)
      try {
        await accounts.forgot('username' in name ? { email: address || ' ' } : name)
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        const faults = { address: 'It must be an e-mail address or a mobile number.' }
        return send(reply, error.statusCode, { title, content: forgotForm(address, faults) })
      }
      const flash = 'If there is an account, a message is on its way.'
      return send(reply, 200, { title, flash, content: '' })
    },
  )

  for (const method of ['GET', 'POST'] as const) {
    app.route({
      method,
      url: '/logout',
      schema: { summary: 'Log out, but not because another site says so', tags, response },
      handler: async (request, reply) => {
        if (cookies.isForeign(request)) {
          const content = renderForm({
            text: 'Do you want to log out?',
            button: 'Log out',
            fields: [],
          })
          return send(reply, 200, { title: 'Log out', content })
        }
        if (await visitors.find(request, reply)) await sessions.logout(callerOf(request), false)
        cookies.clear(request, reply)
        setFlash(reply, 'logged_out')
        return reply.redirect('/', 303)
      },
    })
  }

  function loginForm(next: string | undefined, name = ''): string {
    const form = renderForm({
      button: 'Log in',
      takesFocus: true,
      hidden: next === undefined ? {} : { next },
      values: { username: name },
      fields: [
        {
          name: 'username',
          label: 'E-mail address, username or mobile number',
          autocomplete: 'username',
          required: true,
        },
        {
          name: 'password',
          label: 'Password',
          type: 'password',
          autocomplete: 'current-password',
          required: true,
        },
      ],
    })
    return form + loginExtras({ providers })
  }

  function registerForm(values = {}, faults = {}): string {
    return renderForm({
      button: 'Register',
      takesFocus: true,
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
  }
}

function forgotForm(address = '', faults: Record<string, string> = {}): string {
  const label = 'E-mail address or mobile number'
  const field = { name: 'address', label, autocomplete: 'username', required: true }
  const button = 'Send me a message'
  return renderForm({ button, fields: [field], takesFocus: true, values: { address }, faults })
}

const pictureForm = () =>
  renderForm({
    button: 'Set the picture',
    action: '/welcome/picture',
    isMultipart: true,
    fields: [
      {
        name: 'picture',
        label: 'Picture',
        type: 'file',
        accept: 'image/png,image/jpeg,image/webp',
        required: true,
      },
    ],
  })

/** HTTPie, curl and fetch ask for anything: they get JSON. */
const wantsHtml = (request: FastifyRequest) =>
  accepts(request.raw).type(['json', 'html']) === 'html'

const nameOf = ({ name, username, email, mobile }: User) =>
  name ?? username ?? email ?? mobile ?? ''

/** Without the host: the page may be reached by another name than PUBLIC_URL. */
function ownPath(url: string | null): string | undefined {
  if (url === null) return undefined
  const { pathname, search } = new URL(url)
  return pathname + search
}
