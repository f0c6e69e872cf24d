import t from 'tap'
import { ada, bearer, logIn, signUp, testApp, verifyEmails } from '../../support/app.js'
import { sentStatements } from '../../support/sent-statements.js'

/** Background tasks read the denylist, the keys, the history and the outbox. */
function isOfRequest(text: string): boolean {
  const isOther = /token_denylist|key_ring|signing_keys|select database_history|outbox/
  return /sessions/.test(text) || !isOther.test(text)
}

t.test('a login sends eight statements, two of them for rate limits', async (t) => {
  const { app } = await testApp(t, { env: { RATE_LIMIT: 'on', DENYLIST_SYNC: 'listen' } })
  await signUp(app)
  const all = sentStatements(t)
  await logIn(app)
  const sent = all.map(({ text }) => text)
  const statements = sent.filter(isOfRequest)
  t.equal(statements.length, 8, statements.map((text) => text.slice(0, 60)).join('\n'))
  t.equal(statements.filter((text) => text.includes('into rate_limits')).length, 2)
})

t.test('a login from a device that is not known sends two more', async (t) => {
  const service = await testApp(t, { env: { RATE_LIMIT: 'on', DENYLIST_SYNC: 'listen' } })
  await signUp(service.app)
  await verifyEmails(service)
  const all = sentStatements(t)
  const headers = { 'user-agent': 'another browser' }
  const answer = await service.app.inject({
    method: 'POST',
    url: '/api/login',
    headers,
    payload: ada,
  })
  t.equal(answer.statusCode, 200)
  const texts = all.map(({ text }) => text)
  t.equal(texts.filter((text) => /^insert into (login_notices|outbox)/.test(text)).length, 2)
  t.equal(texts.filter((text) => isOfRequest(text) && !/login_notices/.test(text)).length, 8)
})

t.test('a login that finds the lanes and the queue full sends no statement', async (t) => {
  const { app } = await testApp(t, { env: { HASH_LANES: '1', HASH_QUEUE: '0' } })
  await signUp(app)
  const sent = sentStatements(t)
  const logins = [logIn(app), logIn(app), logIn(app)]
  const [first, ...others] = await Promise.allSettled(logins)
  t.equal(first?.status, 'fulfilled')
  t.match(others, [{ status: 'rejected' }, { status: 'rejected' }])
  const finds = sent.filter(({ text }) => /^select .*password_hash,/s.test(text))
  t.equal(finds.length, 1, 'only the first was looked up')
})

t.test('a request sends as many statements as docs/measurements.md says', async (t) => {
  const { app } = await testApp(t, { env: { RATE_LIMIT: 'on', DENYLIST_SYNC: 'listen' } })
  const { access_token, refresh_token } = await signUp(app)
  const headers = bearer(access_token)
  const sent = sentStatements(t)
  const payload = { refresh_token }
  const requests = {
    'GET /forward-auth': [0, { url: '/forward-auth', headers }],
    'GET /api/user': [1, { url: '/api/user', headers }],
    'POST /api/refresh': [1, { method: 'POST', url: '/api/refresh', payload }],
    'POST /api/logout': [1, { method: 'POST', url: '/api/logout', headers }],
  } as const
  for (const [name, [most, request]] of Object.entries(requests)) {
    sent.length = 0
    const { statusCode } = await app.inject(request)
    t.equal(statusCode, 200, name)
    const own = sent.filter(({ text }) => isOfRequest(text))
    t.ok(own.length <= most, `${name}: ${own.length}\n${own.map((each) => each.text).join('\n')}`)
  }
})
