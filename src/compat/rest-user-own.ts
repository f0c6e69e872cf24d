import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { AdministrationService } from '../features/administration/service.js'
import { actorOf } from '../http/caller.js'
import type { Denials } from '../features/audit/denials.js'
import { AppError } from '../errors.js'
import type { SessionService } from '../features/sessions/service.js'
import { changes } from '../features/users/schemas.js'
import type { UserService } from '../features/users/service.js'
import { answers, both, Envelope, Params, Said, show, Shown, tags } from './rest-user-wire.js'
import { closed, requireFilled, Text } from './wire.js'

type Options = {
  administration: AdministrationService
  sessions: SessionService
  users: UserService
  denials: Denials
}

/** With a token: oneself; and anybody, for an administrator. */
export const restUserOwn: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { administration, sessions, users, denials },
) => {
  /** @throws AppError `forbidden` */
  function requireSelfOrAdmin(request: FastifyRequest, id: string): void {
    const { sub, roles } = request.user
    if (sub === id || roles.includes('admin')) return
    denials.note(actorOf(request), request.routeOptions.url ?? '')
    throw new AppError('forbidden')
  }

  both('/user/logout', (url) =>
    app.get(
      url,
      { schema: { summary: 'Log out', tags, response: answers(200, Said) } },
      async (request) => {
        const { username, email, mobile } = await users.get(request.user.sub)
        await sessions.logout(actorOf(request), false)
        const name = username ?? email ?? mobile ?? ''
        return { message: `User ${name} successfully logged out.` }
      },
    ),
  )

  both('/user/:uuid', (url) => {
    app.get(
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

    app.patch(
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
        const caller = actorOf(request)
        const user =
          uuid === request.user.sub
            ? (await users.update(caller, { ...body, ...(password && { password }) })).user
            : await administration.edit(caller, uuid, body)
        return { data: show(user), message: 'Success!', status: 200 }
      },
    )

    app.delete(
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
          await users.delete(actorOf(request), undefined, { freshIsEnough: true })
        } else await administration.delete(actorOf(request), uuid)
        return { message: 'User deleted.', status: 200 }
      },
    )
  })

  both('/user/change-password/:uuid', (url) =>
    app.post(
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
        const names: ('old_password' | 'new_password')[] = ['old_password', 'new_password']
        const body = requireFilled(request.body, names, 'is required')
        await users.changePassword(actorOf(request), body)
        return { message: 'Success!' }
      },
    ),
  )
}
