import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import { ok, replies } from '../http/replies.js'
import type { IdentityService } from '../features/identities/identities.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { Bodies } from '../features/uploads/bodies.js'
import { acceptFiles, readFile, uploadDeadline } from '../features/uploads/file.js'
import type { UploadService } from '../features/uploads/service.js'
import { UserReply, type User } from '../features/users/schemas.js'
import type { UserService } from '../features/users/service.js'
import { wantsHtml } from '../http/wants-html.js'
import { setFlash, takeFlash } from './flash.js'
import { Html, pageReplies, tags } from './forms.js'
import { renderForm, template, type SendPage } from './layout.js'
import { connectForms, type ProviderButton } from './providers.js'
import type { Visitors } from './visitor.js'

type Options = {
  identities: IdentityService
  providers: ProviderButton[]
  uploads: UploadService
  bodies: Bodies
  users: UserService
  visitors: Visitors
  limits: Limits
  cookies: SessionCookies
  send: SendPage
}

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

/** Where people arrive: the home page, and their own. */
export const homePages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { identities, providers, uploads, bodies, users, visitors, limits, cookies, send },
) => {
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
        return ok({ user })
      }
      const who = user && nameOf(user)
      const title = who ? `Hello, ${who}!` : 'Hello, World!'
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, { title, who, flash, content: home({ who }) })
    },
  )

  app.get(
    '/welcome',
    { schema: { summary: 'The page of who is signed in', tags, response: pageReplies } },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (!user) {
        setFlash(cookies, reply, 'login_required')
        return reply.redirect('/login?next=%2Fwelcome', 303)
      }
      const who = nameOf(user)
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, {
        title: `Welcome, ${who}!`,
        who,
        flash,
        content:
          welcome({ ...user, picture: ownPath(user.picture_url) }) +
          pictureForm() +
          connectForms(providers, await identities.list(user.id)),
      })
    },
  )

  /** @throws AppError `invalid_token` */
  async function requireVisitor(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!(await visitors.find(request, reply))) throw new AppError('invalid_token')
  }

  await app.register(async (picture) => {
    await acceptFiles(picture, 5 * 1_048_576)
    picture.post(
      '/welcome/picture',
      {
        bodyLimit: 6 * 1_048_576,
        config: uploadDeadline,
        preHandler: [requireVisitor, bodies.admit, limits.perUser('uploads')],
        schema: {
          summary: 'The picture, from the form of that page',
          tags,
          consumes: ['multipart/form-data'],
          response: pageReplies,
        },
      },
      async (request, reply) => {
        try {
          await bodies.during(request, async () =>
            uploads.putPicture(actorOf(request), await readFile(request)),
          )
        } catch (error) {
          if (!(error instanceof AppError) || error.statusCode >= 500) throw error
          const fault = `${error.message}.`
          const who = nameOf(await users.get(request.user.sub))
          const content = pictureForm()
          if (error.statusCode === 408) reply.header('connection', 'close')
          return send(reply, error.statusCode, { title: 'Your picture', who, fault, content })
        }
        setFlash(cookies, reply, 'picture_set')
        return reply.redirect('/welcome', 303)
      },
    )
  })
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

const nameOf = ({ name, username, email, mobile }: User) =>
  name ?? username ?? email ?? mobile ?? ''

/** Without the host: the page may be reached by another name than PUBLIC_URL. */
function ownPath(url: string | null): string | undefined {
  if (url === null) return undefined
  const { pathname, search } = new URL(url)
  return pathname + search
}
