import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { actorOf } from '../../http/caller.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import {
  ConfirmBody,
  IdParams,
  EnrolmentReply,
  FactorsReply,
  RecoveryCodesReply,
} from './schemas.js'
import type { FactorService } from './service.js'

type Options = { factors: FactorService }

/** The second factor of the user. */
export const factorRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { factors }) => {
  const tags = ['second factor']

  app.get(
    '/api/user/factors',
    {
      schema: {
        summary: 'The second factor of the user, and the devices that need none',
        tags,
        errors: ['not_found'],
        response: replies({ 200: FactorsReply }),
      },
    },
    async (request) => ok(await factors.get(actorOf(request).user_id)),
  )

  app.post(
    '/api/user/factors/totp',
    {
      schema: {
        summary: 'Begin to add an authenticator app, or to replace it',
        tags,
        errors: ['not_found', 'reauthentication_required'],
        response: replies({ 200: EnrolmentReply }),
      },
    },
    async (request) => {
      const enrolment = await factors.begin(actorOf(request))
      return ok({ message: 'Confirm the app by a code', ...enrolment })
    },
  )

  app.post(
    '/api/user/factors/totp/confirm',
    {
      schema: {
        summary: 'Confirm the authenticator app by a code; ends your other sessions',
        tags,
        body: ConfirmBody,
        errors: ['not_found', 'reauthentication_required', 'invalid_code', 'rate_limited'],
        response: replies({ 200: RecoveryCodesReply }),
      },
    },
    async (request) => {
      const recovery_codes = await factors.confirm(actorOf(request), request.body.code)
      return ok({ message: 'Second factor added: keep the recovery codes', recovery_codes })
    },
  )

  app.delete(
    '/api/user/factors/totp',
    {
      schema: {
        summary: 'Remove the second factor',
        tags,
        errors: ['not_found', 'reauthentication_required', 'factor_required'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await factors.remove(actorOf(request))
      return ok({ message: 'Second factor removed' })
    },
  )

  app.post(
    '/api/user/factors/recovery-codes',
    {
      schema: {
        summary: 'Replace the recovery codes',
        tags,
        errors: ['not_found', 'reauthentication_required'],
        response: replies({ 200: RecoveryCodesReply }),
      },
    },
    async (request) => {
      const recovery_codes = await factors.renewCodes(actorOf(request))
      return ok({ message: 'Recovery codes replaced', recovery_codes })
    },
  )

  app.delete(
    '/api/user/trusted-devices/:id',
    {
      schema: {
        summary: 'Ask for the second factor again on a device',
        tags,
        params: IdParams,
        errors: ['not_found'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await factors.forgetDevice(actorOf(request), request.params.id)
      return ok({ message: 'Device forgotten' })
    },
  )
}

/** For administrators. */
export const factorRemovalRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { factors }) => {
  app.delete(
    '/api/users/:id/factors',
    {
      schema: {
        summary: 'Remove the second factor and the passkeys of a user, and end every session',
        tags: ['administration'],
        params: IdParams,
        errors: ['not_found'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await factors.removeOf(actorOf(request), request.params.id)
      return ok({ message: 'Second factor removed' })
    },
  )
}
