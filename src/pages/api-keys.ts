import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError, invalidField } from '../errors.js'
import {
  ApiKeyParams,
  defaultKeyDays,
  maxKeyDays,
  type ApiKey,
} from '../features/api-keys/schemas.js'
import type { ApiKeyService } from '../features/api-keys/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { actorOf } from '../http/caller.js'
import { setFlash, takeFlash } from './flash.js'
import { closed, consumes, faultsOf, pageReplies, tags, Text } from './forms.js'
import { accountLink, renderForm, type Form, type SendPage } from './layout.js'
import { compileView } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  apiKeys: ApiKeyService
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
}

type ShownKey = Pick<ApiKey, 'id' | 'name' | 'roles'> & { expires: string; used: string }

const list = compileView<{ key: string | undefined; apiKeys: ShownKey[] }>('api-keys')
const path = '/welcome/api-keys'
const title = 'Your API keys'

const KeyForm = Type.Object({ name: Text, roles: Text, days: Text, password: Text }, closed)
type KeyForm = { name?: string; roles?: string; days?: string; password?: string }

/** Where the signed-in user makes and revokes API keys. */
export const apiKeyPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { apiKeys, visitors, cookies, send } = options

  app.get(
    path,
    { schema: { summary: 'The API keys of the signed-in user', tags, response: pageReplies } },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (!user) {
        setFlash(cookies, reply, 'login_required')
        return reply.redirect(`/login?next=${encodeURIComponent(path)}`, 303)
      }
      const flash = takeFlash(cookies, request, reply)
      const content = [await listOf(user.id), newKeyForm(), accountLink]
      return send(reply, 200, { title, flash, content })
    },
  )

  app.post(
    path,
    {
      preHandler: requireVisitor,
      schema: {
        summary: 'Make an API key of the signed-in user',
        tags,
        consumes,
        body: KeyForm,
        errors: ['invalid_token', 'forbidden', 'api_key_limit', 'rate_limited', 'overloaded'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const caller = actorOf(request)
      const { password, ...typed } = request.body
      try {
        const body = { ...readForm(typed), ...(password !== undefined && { password }) }
        const { key } = await apiKeys.create(caller, body)
        return await send(reply, 200, { title, content: [await listOf(caller.user_id, key)] })
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        const faults = faultsOf(error)
        const fault = error.fields ? undefined : `${error.message}.`
        const content = [newKeyForm({ values: typed, faults })]
        return send(reply, error.statusCode, { title, fault, content })
      }
    },
  )

  app.post(
    `${path}/:id/revoke`,
    {
      preHandler: requireVisitor,
      schema: {
        summary: 'Revoke an API key of the signed-in user',
        tags,
        consumes,
        params: ApiKeyParams,
        errors: ['invalid_token', 'forbidden', 'not_found'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await apiKeys.revoke(actorOf(request), request.params.id)
      setFlash(cookies, reply, 'key_revoked')
      return reply.redirect(path, 303)
    },
  )

  /** @throws AppError `invalid_token` */
  async function requireVisitor(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!(await visitors.find(request, reply))) throw new AppError('invalid_token')
  }

  async function listOf(userId: string, key?: string) {
    const shown = (await apiKeys.list(userId)).map(({ id, name, roles, ...times }) => ({
      ...{ id, name, roles, expires: times.expires_at.slice(0, 10) },
      used: times.last_used_at?.slice(0, 10) ?? 'never',
    }))
    return list({ key, apiKeys: shown })
  }
}

/** @throws AppError `validation_failed` */
function readForm({ name = '', roles = '', days = String(defaultKeyDays) }: KeyForm) {
  const expires_in_days = /^[0-9]{1,3}$/.test(days) ? Number(days) : 0
  if (expires_in_days < 1 || expires_in_days > maxKeyDays)
    throw invalidField('days', `must be between 1 and ${String(maxKeyDays)}`)
  return { name, roles: roles.split(/[\s,]+/).filter(Boolean), expires_in_days }
}

const newKeyForm = (more: Pick<Form, 'values' | 'faults'> = {}) =>
  renderForm({
    button: 'Make a key',
    action: path,
    fields: [
      { name: 'name', label: 'What is it for?', required: true },
      { name: 'roles', label: 'Roles', hint: 'Roles of yours, with spaces between. Empty: none.' },
      {
        name: 'days',
        label: 'Days until it expires',
        inputMode: 'numeric',
        hint: `1 to ${String(maxKeyDays)}; ${String(defaultKeyDays)} if you leave it empty.`,
      },
      {
        name: 'password',
        label: 'Your password',
        type: 'password',
        autocomplete: 'current-password',
        hint: 'Not needed within five minutes of a login.',
      },
    ],
    ...more,
  })
