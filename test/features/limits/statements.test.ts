import t from 'tap'
import { logIn, signUp, testApp } from '../../support/app.js'
import { sentStatements } from '../../support/sent-statements.js'

t.test('a login sends eight statements, two of them for rate limits', async (t) => {
  const { app } = await testApp(t, { env: { RATE_LIMIT: 'on', DENYLIST_SYNC: 'listen' } })
  await signUp(app)
  const all = sentStatements(t)
  await logIn(app)
  const sent = all.map(({ text }) => text)
  // Background tasks read the denylist, the keys, the history and the outbox.
  const isOther = /token_denylist|key_ring|signing_keys|select database_history|outbox/
  const statements = sent.filter((text) => /sessions/.test(text) || !isOther.test(text))
  t.equal(statements.length, 8, statements.map((text) => text.slice(0, 60)).join('\n'))
  t.equal(statements.filter((text) => text.includes('into rate_limits')).length, 2)
})

t.test('a login that finds the lanes and the queue full sends no statement', async (t) => {
  const { app } = await testApp(t, { env: { HASH_LANES: '1', HASH_QUEUE: '0' } })
  await signUp(app)
  const sent = sentStatements(t)
  const logins = [logIn(app), logIn(app), logIn(app)]
  const [first, ...others] = await Promise.allSettled(logins)
  t.equal(first?.status, 'fulfilled')
  t.match(others, [{ status: 'rejected' }, { status: 'rejected' }])
  const finds = sent.filter(({ text }) => /password_hash/.test(text) && /^select/.test(text))
  t.equal(finds.length, 1, 'only the first was looked up')
})
