import pg from 'pg'
import t from 'tap'
import { logIn, signUp, testApp } from '../../support/app.js'

type Query = (this: pg.Client, text: string, values?: unknown[]) => Promise<unknown>

t.test('a login sends eight statements, two of them for rate limits', async (t) => {
  const { app } = await testApp(t, { env: { RATE_LIMIT: 'on', DENYLIST_SYNC: 'listen' } })
  await signUp(app)
  const sent: string[] = []
  const query = pg.Client.prototype.query as unknown as Query
  t.intercept(pg.Client.prototype, 'query', {
    value(this: pg.Client, text: string, values?: unknown[]) {
      sent.push(text)
      return query.call(this, text, values)
    },
  })
  await logIn(app)
  // Background tasks read the denylist, the keys, the history and the outbox.
  const isOther = /token_denylist|key_ring|signing_keys|select database_history|outbox/
  const statements = sent.filter((text) => /sessions/.test(text) || !isOther.test(text))
  t.equal(statements.length, 8, statements.map((text) => text.slice(0, 60)).join('\n'))
  t.equal(statements.filter((text) => text.includes('into rate_limits')).length, 2)
})
