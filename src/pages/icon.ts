import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { createDocument, sendDocument } from '../http/documents.js'
import { replies } from '../http/replies.js'
import { tags } from './forms.js'
import { readView } from './views.js'

const icon = createDocument(readView('icon.svg'), 'image/svg+xml')
const week = 7 * 86_400

/** The icon of the pages, at the path that browsers request by themselves. */
export const iconRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/favicon.ico',
    {
      schema: {
        summary: 'The icon of the pages',
        tags,
        response: replies({
          200: Type.String({ contentMediaType: 'image/svg+xml' }),
          304: Type.Null(),
        }),
      },
    },
    async (request, reply) => sendDocument(request, reply, icon, week),
  )
}
