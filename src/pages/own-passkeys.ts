import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import {
  NewCredential,
  PasskeyNameBody,
  PasskeyParams,
  type Passkey,
} from '../features/passkeys/schemas.js'
import type { PasskeyService } from '../features/passkeys/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { actorOf, type Actor } from '../http/caller.js'
import { sentenceOf } from '../http/sentences.js'
import { toMinute } from '../http/times.js'
import { setFlash, takeFlash, type Flash } from './flash.js'
import { closed, consumes, pageReplies, requireValid, tags, Text } from './forms.js'
import { accountLink, type SendPage } from './layout.js'
import { CredentialText, passkeyForm, readCredential } from './passkey-form.js'
import { createRecentLogin } from './recent-login.js'
import { compileView, type Markup } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  passkeys: PasskeyService
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
}

type ShownPasskey = Pick<Passkey, 'id' | 'name'> & { texts: [label: string, text: string][] }

const list = compileView<{ passkeys: ShownPasskey[] }>('passkeys')

const path = '/account/passkeys'
const title = 'Your passkeys'
const refusals = ['invalid_token', 'reauthentication_required'] as const

/** The pages on which users add, rename and remove their passkeys. Only adding needs a script. */
export const ownPasskeyPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { passkeys, visitors, cookies, send } = options
  const { askLogin, change } = createRecentLogin({ visitors, cookies, path })
  const none = Type.Object({}, closed)

  app.get(
    path,
    { schema: { summary: 'The passkeys of the signed-in user', tags, response: pageReplies } },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (!user) return askLogin(reply)
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, { title, flash, content: [await listOf(user.id), accountLink] })
    },
  )

  app.post(
    `${path}/begin`,
    {
      schema: {
        summary: 'Show the form that makes a passkey',
        tags,
        consumes,
        body: none,
        errors: [...refusals, 'not_found', 'passkey_limit'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await act(request, reply, async (caller) => {
        const content = [newPasskeyForm(JSON.stringify(await passkeys.begin(caller)))]
        return send(reply, 200, { title: 'Add a passkey', hasScript: true, content })
      })
      return reply
    },
  )

  app.post(
    path,
    {
      schema: {
        summary: 'Add a passkey',
        tags,
        consumes,
        body: Type.Object({ credential: CredentialText }, closed),
        errors: [...refusals, 'not_found', 'invalid_passkey', 'passkey_limit', 'passkey_taken'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await act(request, reply, async (caller) => {
        const credential = readCredential(request, NewCredential, request.body.credential)
        await passkeys.add(caller, { credential })
        return done(reply, 'passkey_added')
      })
      return reply
    },
  )

  app.post(
    `${path}/:id/rename`,
    {
      schema: {
        summary: 'Rename a passkey',
        tags,
        consumes,
        params: PasskeyParams,
        body: Type.Object({ name: Text }, closed),
        errors: ['invalid_token', 'not_found'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await act(request, reply, async (caller) => {
        const { name = '' } = request.body
        requireValid(request, PasskeyNameBody, { name })
        await passkeys.rename(caller, request.params.id, name)
        return done(reply, 'passkey_renamed')
      })
      return reply
    },
  )

  app.post(
    `${path}/:id/remove`,
    {
      schema: {
        summary: 'Remove a passkey',
        tags,
        consumes,
        params: PasskeyParams,
        body: none,
        errors: [...refusals, 'not_found', 'last_login_method', 'factor_required'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await act(request, reply, async (caller) => {
        await passkeys.remove(caller, request.params.id)
        return done(reply, 'passkey_removed')
      })
      return reply
    },
  )

  /** Runs a change. The list says why a change was refused. */
  const act = (
    request: FastifyRequest,
    reply: FastifyReply,
    work: (caller: Actor) => Promise<FastifyReply>,
  ): Promise<FastifyReply> =>
    change(request, reply, (caller) =>
      work(caller).catch((error: unknown) => refuse(error, request, reply)),
    )

  async function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply) {
    if (!(error instanceof AppError) || error.statusCode >= 500) throw error
    if (error.code === 'invalid_token' || error.code === 'reauthentication_required') throw error
    const fault = error.fields?.map(sentenceOf).join(' ') ?? `${error.message}.`
    const content = [await listOf(actorOf(request).user_id), accountLink]
    return send(reply, error.statusCode, { title, fault, content })
  }

  function done(reply: FastifyReply, flash: Flash): FastifyReply {
    setFlash(cookies, reply, flash)
    return reply.redirect(path, 303)
  }

  async function listOf(userId: string): Promise<Markup> {
    return list({ passkeys: (await passkeys.list(userId)).map(toShown) })
  }
}

function toShown({ id, name, ...passkey }: Passkey): ShownPasskey {
  const { created_at, last_used_at, backed_up, discoverable } = passkey
  return {
    id,
    name,
    texts: [
      ['Added', toMinute(created_at)],
      ['Last used', last_used_at === null ? 'never' : toMinute(last_used_at)],
      ['Copied by its provider', backed_up ? 'yes' : 'no'],
      ['Works without a username', discoverable ? 'yes' : 'no'],
    ],
  }
}

function newPasskeyForm(options: string): Markup {
  return passkeyForm({
    kind: 'add',
    action: path,
    button: 'Make the passkey',
    hidden: {},
    options,
    without: 'A passkey can only be made with JavaScript, in a browser that knows passkeys.',
  })
}
