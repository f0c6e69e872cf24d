import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type TSchema } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AccountService, Registration } from '../accounts/service.js'
import type { AdministrationService } from '../administration/service.js'
import { callerOf } from '../audit/caller.js'
import { AppError, invalidField } from '../errors.js'
import type { Limits } from '../limits/limits.js'
import { readBearer } from '../plugins/authenticate.js'
import { prepareError } from '../plugins/errors.js'
import type { SessionService } from '../sessions/service.js'
import { changes, Id, type User } from '../users/schemas.js'
import type { UserService } from '../users/service.js'

type Options = {
  accounts: AccountService
  administration: AdministrationService
  sessions: SessionService
  users: UserService
  limits: Limits
  /** Here every account waits for the code that is sent to its mobile number. */
  registration: Registration
  /** Adds the hooks that refuse who has no token, or not the role. */
  secure: (scope: FastifyInstance, role?: string) => void
}

const tags = ['dialect: /user']
const Text = Type.Optional(Type.String({ maxLength: 1_024 }))
const closed = { additionalProperties: false }
const Failure = Type.Object({ message: Type.String() })
const Said = Type.Object({ message: Type.String(), status: Type.Optional(Type.Integer()) })
const Shown = Type.Object({
  uuid: Type.String(),
  username: Type.Union([Type.String(), Type.Null()]),
  mobile: Type.Union([Type.String(), Type.Null()]),
  email: Type.Optional(Type.String()),
  gender: Type.Optional(Type.String()),
  status: Type.Boolean({ description: 'activated and not disabled' }),
})
const Envelope = <Data extends TSchema>(data: Data) =>
  Type.Object({ data, message: Type.String(), status: Type.Integer() })
const answers = <Status extends number, Body>(status: Status, body: Body) =>
  ({ [status]: body, '4xx': Failure, '5xx': Failure }) as Record<Status, Body> &
    Record<'4xx' | '5xx', typeof Failure>
const Params = Type.Object({ uuid: Id() })

/** Users as resources under /user: `{"data","message","status"}`, over the services of /api. */
export const restUser: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, administration, sessions, users, limits, registration, secure } = options

  app.setErrorHandler((thrown: AppError, request, reply) => {
    const { code, message, fields, statusCode } = prepareError(thrown, request, reply)
    const [fault] = fields ?? []
    const isBad = statusCode === 409 || code === 'activation_required'
    return reply
      .code(isBad ? 400 : statusCode)
      .send({ message: fault ? `${message}: ${fault.field} ${fault.message}` : message })
  })

  both('/user', (url) =>
    app.post(
      url,
      {
        preHandler: limits.perNetwork('register'),
        schema: {
          summary: 'Register; a code is sent to the mobile number',
          tags,
          body: Type.Object({ username: Text, mobile: Text, password: Text }, closed),
          response: answers(201, Envelope(Shown)),
        },
      },
      async (request, reply) => {
        const { username, mobile, password } = request.body
        if (!username) throw invalidField('username', 'is required')
        if (!mobile) throw invalidField('mobile', 'is required')
        if (!password) throw invalidField('password', 'is required')
        const body = { username, mobile, password }
        const user = await accounts.register(body, callerOf(request), registration)
        const message = 'Account created successfully!'
        return reply.code(201).send({ data: show(user), message, status: 201 })
      },
    ),
  )

  both('/user/activate-account', (url) =>
    app.post(
      url,
      {
        preHandler: limits.perNetwork('codes'),
        schema: {
          summary: 'Activate by the code that was sent',
          tags,
          body: Type.Object({ mobile: Text, code: Text }, closed),
          response: answers(200, Envelope(Shown)),
        },
      },
      async (request) => {
        const { mobile, code } = request.body
        if (!mobile) throw invalidField('mobile', 'is required')
        if (!code) throw invalidField('code', 'is required: it was sent to the mobile number')
        const user = await accounts.activate({ mobile, code }, callerOf(request))
        return { data: show(user), message: 'Success!', status: 200 }
      },
    ),
  )

  const Tokens = Type.Object({ access_token: Type.String(), refresh_token: Type.String() })

  both('/user/login', (url) =>
    app.post(
      url,
      {
        preHandler: limits.perNetwork('login'),
        schema: {
          summary: 'Log in',
          tags,
          body: Type.Object({ username: Text, password: Text }, closed),
          response: answers(200, Tokens),
        },
      },
      async (request) => {
        const { username, password } = request.body
        if (!username) throw invalidField('username', 'is required')
        if (!password) throw invalidField('password', 'is required')
        const body = { username, password }
        const login = await sessions.login(body, callerOf(request), request.cookies.device)
        await limits.refund('login', request)
        const { access_token, refresh_token } = login
        return { access_token, refresh_token }
      },
    ),
  )

  both('/user/refresh-token', (url) =>
    app.get(
      url,
      { schema: { summary: 'Refresh, by Bearer', tags, response: answers(200, Tokens) } },
      async (request) => {
        const token = readBearer(request)
        if (token === undefined) throw new AppError('invalid_token')
        const { access_token, refresh_token } = await sessions.refresh(token, callerOf(request))
        return { access_token, refresh_token }
      },
    ),
  )

  await app.register(async (secured) => {
    const own: typeof app = secured
    secure(secured)

    both('/user/logout', (url) =>
      own.get(
        url,
        { schema: { summary: 'Log out', tags, response: answers(200, Said) } },
        async (request) => {
          const { username, email, mobile } = await users.get(request.user.sub)
          await sessions.logout(callerOf(request), false)
          const name = username ?? email ?? mobile ?? ''
          return { message: `User ${name} successfully logged out.` }
        },
      ),
    )

    both('/user/:uuid', (url) => {
      own.get(
        url,
        {
          schema: {
            summary: 'A user: oneself, or anybody for an administrator',
            tags,
            params: Params,
            response: answers(200, Envelope(Shown)),
          },
        },
        async (request) => {
          requireSelfOrAdmin(request, request.params.uuid)
          const user = await users.get(request.params.uuid)
          return { data: show(user), message: 'Success!', status: 200 }
        },
      )

      own.patch(
        url,
        {
          schema: {
            summary: 'Change a user: oneself, or anybody for an administrator',
            tags,
            params: Params,
            body: Type.Object(
              {
                username: changes.username,
                email: changes.email,
                mobile: changes.mobile,
                gender: changes.gender,
                password: Text,
              },
              closed,
            ),
            response: answers(200, Envelope(Shown)),
          },
        },
        async (request) => {
          const { uuid } = request.params
          requireSelfOrAdmin(request, uuid)
          const { password, ...body } = request.body
          const caller = callerOf(request)
          const user =
            uuid === request.user.sub
              ? (await users.update(caller, { ...body, ...(password && { password }) })).user
              : await administration.edit(caller, uuid, body)
          return { data: show(user), message: 'Success!', status: 200 }
        },
      )

      own.delete(
        url,
        {
          schema: {
            summary: 'Delete a user: oneself, or anybody for an administrator',
            tags,
            params: Params,
            response: answers(200, Said),
          },
        },
        async (request) => {
          const { uuid } = request.params
          requireSelfOrAdmin(request, uuid)
          if (uuid === request.user.sub) {
            await users.delete(callerOf(request), undefined, { freshIsEnough: true })
          } else await administration.delete(callerOf(request), uuid)
          return { message: 'User deleted.', status: 200 }
        },
      )
    })

    both('/user/change-password/:uuid', (url) =>
      own.post(
        url,
        {
          schema: {
            summary: "Change one's own password; ends the other sessions",
            tags,
            params: Params,
            body: Type.Object({ old_password: Text, new_password: Text }, closed),
            response: answers(200, Said),
          },
        },
        async (request) => {
          if (request.params.uuid !== request.user.sub) throw new AppError('forbidden')
          const { old_password, new_password } = request.body
          if (!old_password) throw invalidField('old_password', 'is required')
          if (!new_password) throw invalidField('new_password', 'is required')
          await users.changePassword(callerOf(request), { old_password, new_password })
          return { message: 'Success!' }
        },
      ),
    )
  })

  await app.register(async (secured) => {
    const admin: typeof app = secured
    secure(secured, 'admin')

    both('/user', (url) =>
      admin.get(
        url,
        {
          schema: {
            summary: 'The newest 200 users, for an administrator',
            tags,
            response: answers(200, Envelope(Type.Array(Shown))),
          },
        },
        async () => {
          const page = await administration.list({ limit: '200' })
          return { data: page.users.map(show), message: 'Success!', status: 200 }
        },
      ),
    )
  })
}

/** A path of this dialect is the same with and without its closing slash. */
function both(url: string, register: (url: string) => unknown): void {
  for (const spelling of [url, `${url}/`]) register(spelling)
}

/** @throws AppError `forbidden` */
function requireSelfOrAdmin({ user }: FastifyRequest, id: string): void {
  if (user.sub !== id && !user.roles.includes('admin')) throw new AppError('forbidden')
}

function show({ id, username, mobile, email, gender, active }: User) {
  return {
    uuid: id,
    username,
    mobile,
    ...(email !== null && { email }),
    ...(gender !== null && { gender }),
    status: active,
  }
}
