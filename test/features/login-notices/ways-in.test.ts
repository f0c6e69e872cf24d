import t from 'tap'
import { ada, bearer } from '../../support/app.js'
import { noticingApp } from '../../support/login-notices.js'
import { oldAppEnv, oldToken } from '../../support/old-app.js'

t.test('the login page and the older APIs tell of a new device too', async (t) => {
  const { app, notices, sql } = await noticingApp(t)
  await sql(`update users set username = 'ada', username_canonical = 'ada'`)
  const { email: username, password } = ada
  const ways = [
    ['/login', new URLSearchParams({ username, password }).toString()],
    ['/user/login', { username: 'ada', password }],
    ['/api/v1/users/login', { username: 'ada', password }],
  ] as const
  for (const [url, payload] of ways) {
    const isForm = typeof payload === 'string'
    const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json'
    const headers = { 'user-agent': `device for ${url}`, 'content-type': type }
    const { statusCode } = await app.inject({ method: 'POST', url, headers, payload })
    t.equal(statusCode, isForm ? 303 : 200, url)
    t.equal(await notices(), 1, url)
  }
})

t.test('a session that goes on from the old app is no login', async (t) => {
  const { app, notices, sql } = await noticingApp(t, oldAppEnv)
  await sql(`insert into imported_names (name, user_id) select 'id:12', id from users`)
  const headers = { ...bearer(oldToken()), 'user-agent': 'phone with the old app' }
  const { statusCode } = await app.inject({ method: 'POST', url: '/api/refresh', headers })
  t.equal(statusCode, 200)
  t.equal(await notices(), 0)
})
