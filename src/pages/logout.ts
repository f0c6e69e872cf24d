import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf } from '../http/caller.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import { wantsHtml } from '../http/accept.js'
import { setFlash } from './flash.js'
import { pageReplies, tags } from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import type { Visitors } from './visitor.js'

type Options = {
  sessions: SessionService
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
}

export const logoutPages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { sessions, visitors, cookies, send },
) => {
  app.get(
    '/logout',
    {
      exposeHeadRoute: false,
      schema: {
        summary:
          'Log out at once if a link on our own page or a script asks; otherwise show a form',
        tags,
        response: pageReplies,
      },
    },
    async (request, reply) => {
      if (!cookies.isForeign(request) && isIntended(request)) return logOut(request, reply)
      const text = 'Do you want to log out?'
      const content = [renderForm({ text, button: 'Log out', fields: [] })]
      return send(reply, 200, { title: 'Log out', content })
    },
  )

  app.post(
    '/logout',
    { schema: { summary: 'Log out', tags, response: pageReplies } },
    async (request, reply) => logOut(request, reply),
  )

  async function logOut(request: FastifyRequest, reply: FastifyReply) {
    if (await visitors.find(request, reply)) await sessions.logout(actorOf(request), false)
    cookies.clear(request, reply)
    setFlash(cookies, reply, 'logged_out')
    return reply.redirect('/', 303)
  }
}

const embedded = new Set(['iframe', 'frame', 'embed', 'object'])

/**
 * Whether the user intended this GET. A browser describes the cause of a request in headers that no page can
 * set (Fetch Metadata §2). A link on our own page is intended. A prefetch, a picture or a frame is not. A
 * client that does not accept HTML is a script, which cannot submit the form.
 */
export function isIntended(request: FastifyRequest): boolean {
  const { headers } = request
  const mode = headers['sec-fetch-mode']
  if (headers['sec-purpose'] !== undefined || headers.purpose !== undefined) return false
  if (!wantsHtml(request)) return mode !== 'no-cors'
  const isNavigation = mode === 'navigate' && !embedded.has(String(headers['sec-fetch-dest']))
  return isNavigation && headers['sec-fetch-site'] === 'same-origin'
}
