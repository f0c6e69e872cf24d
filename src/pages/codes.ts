import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { AppError, invalidField } from '../errors.js'
import { typingCaller } from '../features/codes/asker.js'
import type { Limits } from '../features/limits/limits.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { replies } from '../http/replies.js'
import {
  addressField,
  closed,
  consumes,
  faultsOf,
  Html,
  newPassword,
  tags,
  Text,
  toAddress,
} from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import type { ProofPage } from './proofs.js'
import type { Markup } from './views.js'

type Options = {
  proofs: ProofPage[]
  cookies: SessionCookies
  limits: Limits
  send: SendPage
  minLength: number
}

const CodeForm = Type.Object({ address: Text, code: Text, new_password: Text }, closed)

/** The pages to type the code of a message that arrived on another device. */
export const codePages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { proofs, cookies, limits, send, minLength },
) => {
  for (const page of proofs) {
    const { path, title, done, act } = page

    app.get(
      `${path}/code`,
      {
        schema: {
          summary: `The page "${title}" for a code; changes nothing`,
          tags,
          response: replies({ 200: Html }),
        },
      },
      async (_request, reply) =>
        send(reply, 200, { title, content: [codeForm(page, minLength, {})] }),
    )

    app.post(
      `${path}/code`,
      {
        preHandler: limits.perNetwork('codes'),
        schema: {
          summary: `The form of the page "${title}" for a code`,
          tags,
          consumes,
          body: CodeForm,
          response: replies({ 200: Html }),
        },
      },
      async (request, reply) => {
        const { address = '', code: typed = '', new_password = '' } = request.body
        const code = typed.replaceAll(/\s/g, '')
        try {
          if (!/^[0-9]{8}$/.test(code)) throw invalidField('code', 'must be eight digits')
          const proof = { ...toAddress(address), code }
          const { device } = await act(proof, new_password, typingCaller(cookies, request))
          if (device !== undefined) cookies.setDevice(reply, device)
        } catch (error) {
          if (!(error instanceof AppError) || error.statusCode >= 500) throw error
          const { email, mobile, ...faults } = faultsOf(error)
          const ofAddress = email ?? mobile
          if (ofAddress !== undefined) faults.address = ofAddress
          const content = [codeForm(page, minLength, { values: { address, code: typed }, faults })]
          return send(reply, error.statusCode, { title, fault: `${error.message}.`, content })
        }
        return send(reply, 200, { title, flash: done, content: [] })
      },
    )
  }
}

type Typed = { values?: Record<string, string>; faults?: Record<string, string> }

/** The form for a code, with the address that it was sent to. */
export function codeForm(page: ProofPage, minLength: number, { values, faults }: Typed): Markup {
  const code = {
    name: 'code',
    label: 'Code',
    autocomplete: 'one-time-code',
    inputMode: 'numeric',
    required: true,
    hint: 'Eight digits, from the message.',
  }
  const password = page.asksPassword ? [newPassword('new_password', 'New password', minLength)] : []
  return renderForm({
    action: `${page.path}/code`,
    button: page.button,
    fields: [addressField, code, ...password],
    takesFocus: true,
    ...(values && { values }),
    ...(faults && { faults }),
  })
}
