import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { createHash } from 'node:crypto'
import { createDocument, sendDocument, type Document } from '../../http/documents.js'
import { replies } from '../../http/replies.js'
import { Html, tags } from '../forms.js'
import { compileView, readStyle } from '../views.js'
import { referenceOf, type Reference } from './content.js'
import type { Document as OpenApi } from './document.js'

const style = readStyle('base') + readStyle('reference')
const hash = createHash('sha256').update(style).digest('base64')
const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${hash}'`,
  "img-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const render = compileView<Reference & { appName: string; style: string }>('reference')

/** The OpenAPI document as an HTML page. It is rendered at the first request, when all routes are registered. */
export const referencePage: FastifyPluginAsyncTypebox<{ appName: string }> = async (
  app,
  { appName },
) => {
  let document: Document | undefined

  app.get(
    '/docs',
    {
      schema: {
        summary: 'The API reference as HTML',
        tags,
        produces: ['text/html'],
        response: replies({ 200: Html, 304: Type.Null() }),
      },
    },
    async (request, reply) => {
      document ??= createDocument(
        render({ ...referenceOf(app.swagger() as unknown as OpenApi), appName, style }),
        'text/html; charset=utf-8',
      )
      // A 304 has these headers too, because a browser replaces the stored headers with them (RFC 9111 §3.2).
      reply.headers({
        'content-security-policy': contentSecurityPolicy,
        'cross-origin-opener-policy': 'same-origin',
      })
      return sendDocument(request, reply, document, 300)
    },
  )
}
