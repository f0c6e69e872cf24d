import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.js'
import { IdParams, type Factors } from '../features/factors/schemas.js'
import type { FactorService } from '../features/factors/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { nameOfBrowser } from '../http/browser-name.js'
import { toMinute } from '../http/times.js'
import { setFlash, takeFlash } from './flash.js'
import { closed, consumes, pageReplies, tags, Text } from './forms.js'
import { accountLink, renderForm, type SendPage } from './layout.js'
import { codeField, enrolmentView, recoveryCodesView } from './factor-forms.js'
import { createRecentLogin } from './recent-login.js'
import { compileView, type Markup } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  factors: FactorService
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
}

const state = compileView<Pick<Factors, 'totp' | 'recovery_codes'>>('factor-state')

const devices = compileView<{ devices: { id: string; browser: string; since: string }[] }>(
  'trusted-devices',
)

const path = '/second-factor'
const title = 'Second factor'
const refusals = ['invalid_token', 'reauthentication_required'] as const

/** The pages on which users add, replace and remove their second factor. */
export const ownFactorPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { factors, visitors, cookies, send } = options
  const { askLogin, change } = createRecentLogin({ visitors, cookies, path })
  const none = Type.Object({}, closed)

  app.get(
    path,
    { schema: { summary: 'The page of the second factor', tags, response: pageReplies } },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (!user) return askLogin(reply)
      const flash = takeFlash(cookies, request, reply)
      const content = stateContent(await factors.get(user.id))
      return send(reply, 200, { title, flash, content })
    },
  )

  app.post(
    `${path}/begin`,
    {
      schema: {
        summary: 'Show the key of a new authenticator app',
        tags,
        consumes,
        body: none,
        errors: [...refusals],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await change(request, reply, async (caller) => {
        const made = await factors.begin(caller)
        return send(reply, 200, { title, content: [enrolmentView(made), confirmForm()] })
      })
      return reply
    },
  )

  app.post(
    `${path}/confirm`,
    {
      schema: {
        summary: 'Confirm the authenticator app by a code',
        tags,
        consumes,
        body: Type.Object({ code: Text }, closed),
        errors: [...refusals, 'rate_limited'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await change(request, reply, async (caller) => {
        try {
          return await showCodes(reply, await factors.confirm(caller, request.body.code ?? ''))
        } catch (error) {
          if (!(error instanceof AppError) || error.code !== 'invalid_code') throw error
          const fault = 'The code is wrong.'
          return send(reply, error.statusCode, { title, fault, content: [confirmForm()] })
        }
      })
      return reply
    },
  )

  app.post(
    `${path}/codes`,
    {
      schema: {
        summary: 'Replace the recovery codes',
        tags,
        consumes,
        body: none,
        errors: [...refusals, 'not_found'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await change(request, reply, async (caller) =>
        showCodes(reply, await factors.renewCodes(caller)),
      )
      return reply
    },
  )

  app.post(
    `${path}/remove`,
    {
      schema: {
        summary: 'Remove the second factor',
        tags,
        consumes,
        body: none,
        errors: [...refusals, 'not_found', 'factor_required'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await change(request, reply, async (caller) => {
        await factors.remove(caller)
        setFlash(cookies, reply, 'factor_removed')
        return reply.redirect(path, 303)
      })
      return reply
    },
  )

  app.post(
    `${path}/devices/:id/forget`,
    {
      schema: {
        summary: 'Ask for the second factor again on a device',
        tags,
        consumes,
        params: IdParams,
        body: none,
        errors: [...refusals, 'not_found'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await change(request, reply, async (caller) => {
        await factors.forgetDevice(caller, request.params.id)
        setFlash(cookies, reply, 'device_forgotten')
        return reply.redirect(path, 303)
      })
      return reply
    },
  )

  function showCodes(reply: FastifyReply, codes: string[]): FastifyReply {
    const content = [recoveryCodesView(codes, path)]
    return send(reply, 200, { title: 'Your recovery codes', content })
  }
}

const button = (text: string, action: string, isOther = true): Markup =>
  renderForm({ button: text, isOther, action: `${path}/${action}`, fields: [] })

const confirmForm = (): Markup =>
  renderForm({
    button: 'Confirm',
    action: `${path}/confirm`,
    takesFocus: true,
    fields: [codeField],
  })

function stateContent({ totp, recovery_codes, required, trusted_devices }: Factors): Markup[] {
  const buttons = totp
    ? [
        button('Replace the authenticator app', 'begin'),
        button('Make new recovery codes', 'codes'),
        ...(required ? [] : [button('Remove the second factor', 'remove')]),
      ]
    : [button('Add an authenticator app', 'begin', false)]
  const shown = trusted_devices.map(({ id, user_agent, created_at }) => ({
    ...{ id, browser: nameOfBrowser(user_agent), since: toMinute(created_at) },
  }))
  return [state({ totp, recovery_codes }), ...buttons, devices({ devices: shown }), accountLink]
}
