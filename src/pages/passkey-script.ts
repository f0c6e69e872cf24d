import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { createDocument, sendDocument } from '../http/documents.js'
import { replies } from '../http/replies.js'
import { tags } from './forms.js'
import { readView } from './views.js'

const script = createDocument(readView('passkeys.js'), 'text/javascript; charset=utf-8')

/** The only script of the pages. Browsers ask each time whether it is still the same, so it never lags behind its page. */
export const passkeyScript: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/passkeys.js',
    {
      schema: {
        summary: 'The script that asks for passkeys on the pages',
        tags,
        response: replies({
          200: Type.String({ contentMediaType: 'text/javascript' }),
          304: Type.Null(),
        }),
      },
    },
    async (request, reply) => sendDocument(request, reply, script, 0),
  )
}
