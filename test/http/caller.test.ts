import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { actorOf, callerOf } from '../../src/http/caller.js'

const requestOf = (user: object | null) =>
  ({
    headers: { 'user-agent': 'x'.repeat(300) },
    ip: '192.0.2.1',
    id: 'r1',
    user,
  }) as FastifyRequest

t.test(
  'an actor is the user and session of the token, and where the request came from',
  async (t) => {
    const actor = actorOf(requestOf({ sub: 'u1', sid: 's1' }))
    t.same(actor, {
      user_id: 'u1',
      session_id: 's1',
      address: '192.0.2.1',
      user_agent: 'x'.repeat(255),
      request_id: 'r1',
    })
  },
)

t.test('without a token there is a caller, and no actor', async (t) => {
  t.match(callerOf(requestOf(null)), { user_id: null, session_id: null })
  t.throws(() => actorOf(requestOf(null)), { code: 'invalid_token' })
})
