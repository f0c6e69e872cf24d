import { readdirSync, readFileSync } from 'node:fs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { createCompleteLogin } from '../../../src/features/sessions/complete-login.js'
import type { Login } from '../../../src/features/sessions/logins.js'
import type { SessionCookies } from '../../../src/features/sessions/session-cookies.js'

const login = { tokens: { access_token: 'a' }, user: { id: 'u' }, device: 'd' } as unknown as Login

function door() {
  const calls: unknown[] = []
  const cookies = {
    start: (...[, , tokens, device]: Parameters<SessionCookies['start']>) =>
      void calls.push(['start', tokens, device]),
  } as SessionCookies
  const limits = { refund: () => void calls.push('refund') }
  const complete = createCompleteLogin({ cookies, limits })
  const [request, reply] = [{} as FastifyRequest, {} as FastifyReply]
  return { calls, complete: complete.bind(undefined, request, reply) }
}

t.test('a login is refunded, and its cookies are set', async (t) => {
  const { calls, complete } = door()
  t.same(
    complete(login),
    { access_token: 'a', user: { id: 'u' } },
    'without the mark of the device',
  )
  t.same(calls, ['refund', ['start', login.tokens, 'd']])
})

t.test('a login of an older path sets no cookie', async (t) => {
  const { calls, complete } = door()
  t.same(complete(login, { setsCookies: false }), { access_token: 'a', user: { id: 'u' } })
  t.same(calls, ['refund'])
})

t.test('no other file starts a session in cookies', async (t) => {
  const src = new URL('../../../src/', import.meta.url)
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  const found = files.filter(
    (name) =>
      name.endsWith('.ts') && readFileSync(new URL(name, src), 'utf8').includes('.start(request'),
  )
  t.same(found, ['features/sessions/complete-login.ts'])
})
