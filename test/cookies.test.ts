import Fastify from 'fastify'
import t from 'tap'
import { clearCookie, cookieOf, setCookie } from '../src/cookies.js'

const attributes = { path: '/', httpOnly: true, sameSite: 'lax' } as const

t.test('of a cookie that is set twice the last is sent, and the others stay', async (t) => {
  const app = Fastify()
  app.get('/', (_request, reply) => {
    setCookie(reply, 'session', 'one', attributes)
    setCookie(reply, 'session-of-another', 'x', attributes)
    clearCookie(reply, 'session', attributes)
    setCookie(reply, 'session', 'two', attributes)
    return reply.send('')
  })
  t.same((await app.inject('/')).headers['set-cookie'], [
    'session-of-another=x; Path=/; HttpOnly; SameSite=Lax',
    'session=two; Path=/; HttpOnly; SameSite=Lax',
  ])
})

t.test('a cookie is read by its name alone', async (t) => {
  const app = Fastify()
  app.get('/', (request) => ({ session: cookieOf(request, 'session') ?? null }))
  const sent = [undefined, '', 'session', 'xsession=1', 'a=1; session=2; session=3', 'session=%41']
  const read = await Promise.all(
    sent.map(async (cookie) => {
      const answer = await app.inject({ url: '/', headers: cookie === undefined ? {} : { cookie } })
      return answer.json<{ session: string | null }>().session
    }),
  )
  t.same(read, [null, null, null, null, '2', 'A'])
})
