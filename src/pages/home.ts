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
import { wantsHtml } from '../http/accept.js'
import { setFlash, takeFlash } from './flash.js'
import { closed, consumes, Html, pageReplies, tags } from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import { connectForms, type ProviderButton } from './providers.js'
import { compileView } from './views.js'
import { displayName, type Visitors } from './visitor.js'

type Options = {
  identities: IdentityService
  providers: ProviderButton[]
  uploads: UploadService
  bodies: Bodies
  visitors: Visitors
  limits: Limits
  cookies: SessionCookies
  send: SendPage
  offersRegistration: boolean
}

const home = compileView<{ userName: string | undefined; offersRegistration: boolean }>('home')
const welcome = compileView<User & { picture: string | undefined }>('welcome')

/** The home page, and the page of the signed-in user. */
export const homePages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { identities, providers, uploads, bodies, visitors, limits, cookies, send, offersRegistration },
) => {
  app.get(
    '/',
    {
      schema: {
        summary: 'The home page; the user as JSON if the client does not accept HTML',
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
      const userName = user && displayName(user)
      const title = userName ? `Hello, ${userName}!` : 'Hello, World!'
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, {
        title,
        flash,
        content: [home({ userName, offersRegistration })],
      })
    },
  )

  app.get(
    '/welcome',
    { schema: { summary: 'The page of the signed-in user', tags, response: pageReplies } },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (!user) {
        setFlash(cookies, reply, 'login_required')
        return reply.redirect('/login?next=%2Fwelcome', 303)
      }
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, {
        title: `Welcome, ${displayName(user)}!`,
        flash,
        content: [
          welcome({ ...user, picture: ownPath(user.picture_url) }),
          pictureForm(),
          ...(user.picture_url === null ? [] : [removalForm()]),
          ...connectForms(providers, await identities.list(user.id)),
        ],
      })
    },
  )

  /** @throws AppError `invalid_token` */
  async function requireVisitor(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!(await visitors.find(request, reply))) throw new AppError('invalid_token')
  }

  app.post(
    '/welcome/picture/remove',
    {
      preHandler: requireVisitor,
      schema: {
        summary: 'Remove the picture of the signed-in user',
        tags,
        consumes,
        body: Type.Object({}, closed),
        errors: ['invalid_token', 'forbidden', 'not_found'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await uploads.deletePicture(actorOf(request))
      setFlash(cookies, reply, 'picture_removed')
      return reply.redirect('/welcome', 303)
    },
  )

  await app.register(async (picture) => {
    await acceptFiles(picture, 5 * 1_048_576)
    picture.post(
      '/welcome/picture',
      {
        bodyLimit: 6 * 1_048_576,
        config: uploadDeadline,
        preHandler: [requireVisitor, bodies.admit, limits.perUser('uploads')],
        schema: {
          summary: 'Set the picture with the form on `/welcome`',
          tags,
          consumes: ['multipart/form-data'],
          errors: ['invalid_token', 'forbidden', 'rate_limited', 'overloaded'],
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
          const content = [pictureForm()]
          if (error.statusCode === 408) reply.header('connection', 'close')
          return send(reply, error.statusCode, { title: 'Your picture', fault, content })
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

const removalForm = () =>
  renderForm({
    button: 'Remove the picture',
    isOther: true,
    action: '/welcome/picture/remove',
    fields: [],
  })

/** The path without the host, because users may open the page under another host than that of PUBLIC_URL. */
export function ownPath(url: string | null): string | undefined {
  if (url === null) return undefined
  const { pathname, search } = new URL(url)
  return pathname + search
}
