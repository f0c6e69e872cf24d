import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { AdministrationService } from '../features/administration/service.js'
import { actorOf } from '../http/caller.js'
import { changesNothing } from '../http/methods.js'
import type { AccessDenials } from '../features/audit/denials.js'
import { AppError } from '../errors.js'
import type { SessionService } from '../features/sessions/service.js'
import { changes } from '../features/users/schemas.js'
import type { UserService } from '../features/users/service.js'
import {
  repliesWith,
  withAndWithoutSlash,
  Envelope,
  Params,
  Message,
  toUserData,
  UserData,
  tags,
} from './rest-user-wire.js'
import { closed, requireFilled, Text } from './wire.js'

type Options = {
  administration: AdministrationService
  sessions: SessionService
  users: UserService
  denials: AccessDenials
}

/** Routes that need an access token: users act on themselves, administrators on any user. */
export const restUserOwn: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { administration, sessions, users, denials },
) => {
  /** @throws AppError `forbidden` */
  function requireSelfOrAdmin(request: FastifyRequest, id: string): void {
    const { sub, roles } = request.user
    if (sub === id || roles.includes('admin')) return
    if (!changesNothing(request)) denials.record(actorOf(request), request.routeOptions.url ?? '')
    throw new AppError('forbidden')
  }

  withAndWithoutSlash('/user/logout', (url) =>
    app.get(
      url,
      {
        exposeHeadRoute: false,
        schema: { summary: 'Log out', tags, response: repliesWith(200, Message) },
      },
      async (request) => {
        const { username, email, mobile } = await users.get(request.user.sub)
        await sessions.logout(actorOf(request), false)
        const name = username ?? email ?? mobile ?? ''
        return { message: `User ${name} successfully logged out.` }
      },
    ),
  )

  withAndWithoutSlash('/user/:uuid', (url) => {
    app.get(
      url,
      {
        schema: {
          summary: 'Show a user; users may see themselves, administrators any user',
          tags,
          params: Params,
          response: repliesWith(200, Envelope(UserData)),
        },
      },
      async (request) => {
        requireSelfOrAdmin(request, request.params.uuid)
        const user = await users.get(request.params.uuid)
        return { data: toUserData(user), message: 'Success!', status: 200 }
      },
    )

    app.patch(
      url,
      {
        schema: {
          summary: 'Change a user; users may change themselves, administrators any user',
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
          response: repliesWith(200, Envelope(UserData)),
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
        return { data: toUserData(user), message: 'Success!', status: 200 }
      },
    )

    app.delete(
      url,
      {
        schema: {
          summary: 'Delete a user; users may delete themselves, administrators any user',
          tags,
          params: Params,
          response: repliesWith(200, Message),
        },
      },
      async (request) => {
        const { uuid } = request.params
        requireSelfOrAdmin(request, uuid)
        if (uuid === request.user.sub) {
          await users.delete(actorOf(request), undefined, { acceptsRecentLogin: true })
        } else await administration.delete(actorOf(request), uuid)
        return { message: 'User deleted.', status: 200 }
      },
    )
  })

  withAndWithoutSlash('/user/change-password/:uuid', (url) =>
    app.post(
      url,
      {
        schema: {
          summary: 'Change your own password; ends your other sessions',
          tags,
          params: Params,
          body: Type.Object({ old_password: Text, new_password: Text }, closed),
          response: repliesWith(200, Message),
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
