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

t.test('a completed login is refunded and sets its cookies', async (t) => {
  const { calls, complete } = door()
  t.same(
    complete(login),
    { access_token: 'a', user: { id: 'u' } },
    'the reply does not contain the device mark',
  )
  t.same(calls, ['refund', ['start', login.tokens, 'd']])
})

t.test('a login at a path of an older system sets no cookie', async (t) => {
  const { calls, complete } = door()
  t.same(complete(login, { setsCookies: false }), { access_token: 'a', user: { id: 'u' } })
  t.same(calls, ['refund'])
})

t.test('a login that no limit on logins counted is not refunded', async (t) => {
  const { calls, complete } = door()
  complete(login, { isRefunded: false })
  t.same(calls, [['start', login.tokens, 'd']])
})

t.test('only complete-login.ts starts a session with cookies', async (t) => {
  const src = new URL('../../../src/', import.meta.url)
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  const found = files.filter(
    (name) =>
      name.endsWith('.ts') && readFileSync(new URL(name, src), 'utf8').includes('.start(request'),
  )
  t.same(found, ['features/sessions/complete-login.ts'])
})
