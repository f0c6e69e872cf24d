import { pino } from 'pino'
import t from 'tap'
import { createAccessDenials } from '../../../src/features/audit/denials.js'
import type { NewAuditEntry } from '../../../src/features/audit/repository.js'
import { bearer, testApp } from '../../support/app.js'
import { createClient } from '../../support/http/client.js'
import { until } from '../../support/until.js'

const another = '0b8d1c3e-7c52-4f0c-9a4e-333333333333'

const caller = {
  user_id: '0b8d1c3e-7c52-4f0c-9a4e-111111111111',
  session_id: '0b8d1c3e-7c52-4f0c-9a4e-222222222222',
  address: '203.0.113.9',
  user_agent: null,
  request_id: null,
}

t.test('one row a user and minute, with how many tries had none', async (t) => {
  const entries: NewAuditEntry[] = []
  const time = { ms: 0 }
  const { record, settled } = createAccessDenials({
    audit: {
      add: async (...added) => void entries.push(...added),
    },
    log: pino({ level: 'silent' }),
    clock: { monotonic: () => time.ms },
  })
  for (let tries = 0; tries < 1_000; tries += 1) record(caller, '/api/users')
  record({ ...caller, user_id: another }, '/api/audit')
  time.ms += 60_000
  record(caller, '/api/roles')
  await settled()
  t.match(entries, [
    {
      event: 'access.denied',
      user_id: caller.user_id,
      detail: { path: '/api/users', unwritten: 0 },
    },
    { event: 'access.denied', user_id: another, detail: { path: '/api/audit', unwritten: 0 } },
    {
      event: 'access.denied',
      user_id: caller.user_id,
      detail: { path: '/api/roles', unwritten: 999 },
    },
  ])
})

t.test('every way to what is an administrator’s is written down', async (t) => {
  const urls = ['/api/users', '/api/audit', '/user', '/user/0b8d1c3e-7c52-4f0c-9a4e-111111111111']
  const { app, sql } = await testApp(t)
  for (const url of urls) {
    const { id, login } = await createClient({ app })
    const { statusCode } = await app.inject({ url, headers: bearer(login.access_token) })
    t.equal(statusCode, 403, url)
    await app.inject({ url, headers: bearer(login.access_token) })
    const entries = () =>
      sql(`select detail from audit_log where event = 'access.denied' and user_id = $1`, [id])
    await until(async () => (await entries()).length > 0, 'the row, which is written later')
    const [entry, ...more] = await entries()
    const path = url.replace(/0b8d.*/, ':uuid')
    t.same(entry, { detail: { path, unwritten: 0 } })
    t.same(more, [])
  }
})
